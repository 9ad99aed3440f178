//! An Indexed Job of Kubernetes, as JSON, which `kubectl` reads like YAML. A wrong scenario (exit code 2) and failed cells
//! (3) fail the index at once: they would fail again; everything else, such as an evicted pod, is tried again.
//!
//! Fields and types are those of `batch/v1` in Kubernetes 1.33, the first version in which `backoffLimitPerIndex` is
//! stable (kubernetes/kubernetes, `api/openapi-spec/swagger.json`).

use super::{Job, JobFile};
use serde_json::{Value, json};

/// What a cluster needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The image that has the program and the scenario.
    pub image: String,
    /// The claim of the volume that all pods write to.
    pub claim: String,
    /// Where it is mounted.
    pub mount: String,
}

pub(super) fn files(job: &Job, cluster: &Cluster) -> (Vec<JobFile>, String) {
    let shard = format!("auto/{}", job.shards);
    let mut command = vec![job.program.clone()];
    command.extend(job.arguments.iter().cloned());
    command.extend(["--shard", &shard, "--resume", "--quiet"].map(String::from));
    let merge = [job.program.as_str(), "sweep", "merge", &job.out].map(String::from).to_vec();
    let sweep = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": "regionsim-sweep" },
        "spec": {
            "completionMode": "Indexed",
            "completions": job.shards,
            "parallelism": job.shards,
            "backoffLimitPerIndex": 3,
            "podFailurePolicy": {
                "rules": [{
                    "action": "FailIndex",
                    "onExitCodes": { "containerName": "regionsim", "operator": "In", "values": [2, 3] }
                }]
            },
            "template": pod(command, job, cluster)
        }
    });
    let merge = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": "regionsim-merge" },
        "spec": { "backoffLimit": 0, "template": pod(merge, job, cluster) }
    });
    let text = |value: Value| serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
    let files = vec![("job.json".to_owned(), text(sweep)), ("merge.json".to_owned(), text(merge))];
    let next = "kubectl apply -f job.json; kubectl wait --for=condition=complete --timeout=24h job/regionsim-sweep; \
                kubectl apply -f merge.json";
    (files, next.to_owned())
}

fn pod(command: Vec<String>, job: &Job, cluster: &Cluster) -> Value {
    json!({
        "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "regionsim",
                "image": cluster.image,
                "command": command,
                "workingDir": cluster.mount,
                "resources": { "requests": { "cpu": job.threads.to_string() } },
                "volumeMounts": [{ "name": "sweep", "mountPath": cluster.mount }]
            }],
            "volumes": [{ "name": "sweep", "persistentVolumeClaim": { "claimName": cluster.claim } }]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::super::{Engine, JobFile};
    use super::*;
    use std::collections::BTreeSet;

    /// What of `batch/v1` Job (1.33) is used here: the path, `[]` an entry of a list, `*` any key; its type; whether the
    /// API requires it where what holds it is there.
    const FIELDS: &[(&str, &str, bool)] = &[
        ("apiVersion", "string", true),
        ("kind", "string", true),
        ("metadata", "object", true),
        ("metadata.name", "string", true),
        ("spec", "object", true),
        ("spec.completionMode", "string", false),
        ("spec.completions", "int32", false),
        ("spec.parallelism", "int32", false),
        ("spec.backoffLimit", "int32", false),
        ("spec.backoffLimitPerIndex", "int32", false),
        ("spec.podFailurePolicy", "object", false),
        ("spec.podFailurePolicy.rules", "array", true),
        ("spec.podFailurePolicy.rules[]", "object", false),
        ("spec.podFailurePolicy.rules[].action", "string", true),
        ("spec.podFailurePolicy.rules[].onExitCodes", "object", false),
        ("spec.podFailurePolicy.rules[].onExitCodes.containerName", "string", false),
        ("spec.podFailurePolicy.rules[].onExitCodes.operator", "string", true),
        ("spec.podFailurePolicy.rules[].onExitCodes.values", "array", true),
        ("spec.podFailurePolicy.rules[].onExitCodes.values[]", "int32", false),
        ("spec.template", "object", true),
        ("spec.template.spec", "object", false),
        ("spec.template.spec.restartPolicy", "string", false),
        ("spec.template.spec.containers", "array", true),
        ("spec.template.spec.containers[]", "object", false),
        ("spec.template.spec.containers[].name", "string", true),
        ("spec.template.spec.containers[].image", "string", false),
        ("spec.template.spec.containers[].command", "array", false),
        ("spec.template.spec.containers[].command[]", "string", false),
        ("spec.template.spec.containers[].workingDir", "string", false),
        ("spec.template.spec.containers[].resources", "object", false),
        ("spec.template.spec.containers[].resources.requests", "object", false),
        ("spec.template.spec.containers[].resources.requests.*", "string", false),
        ("spec.template.spec.containers[].volumeMounts", "array", false),
        ("spec.template.spec.containers[].volumeMounts[]", "object", false),
        ("spec.template.spec.containers[].volumeMounts[].name", "string", true),
        ("spec.template.spec.containers[].volumeMounts[].mountPath", "string", true),
        ("spec.template.spec.volumes", "array", false),
        ("spec.template.spec.volumes[]", "object", false),
        ("spec.template.spec.volumes[].name", "string", true),
        ("spec.template.spec.volumes[].persistentVolumeClaim", "object", false),
        ("spec.template.spec.volumes[].persistentVolumeClaim.claimName", "string", true),
    ];

    fn walk(value: &Value, path: &str, wrong: &mut Vec<String>) {
        let kind = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Number(number) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => "int32",
            _ => "other",
        };
        if !path.is_empty() {
            let parent = path.rsplit_once('.').map_or(String::new(), |(parent, _)| format!("{parent}.*"));
            match FIELDS.iter().find(|(name, ..)| *name == path || *name == parent) {
                Some((_, expected, _)) if *expected == kind => {}
                Some((_, expected, _)) => wrong.push(format!("{path}: {kind}, not {expected}")),
                None => wrong.push(format!("{path}: no such field")),
            }
        }
        let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        if let Value::Object(fields) = value {
            for (key, value) in fields {
                walk(value, &inside(key), wrong);
            }
            for (name, _, _) in FIELDS.iter().filter(|(_, _, required)| *required) {
                let (parent, key) = name.rsplit_once('.').unwrap_or(("", name));
                if parent == path && !fields.contains_key(key) {
                    wrong.push(format!("{name}: required"));
                }
            }
        }
        for value in value.as_array().into_iter().flatten() {
            walk(value, &format!("{path}[]"), wrong);
        }
    }

    fn emitted() -> Vec<JobFile> {
        let cluster = Cluster {
            image: "registry.example/regionsim:0.1".into(),
            claim: "sweeps".into(),
            mount: "/data".into(),
        };
        Engine::Kubernetes(cluster).files(&job()).0
    }

    #[test]
    fn jobs_have_the_fields_of_the_api_and_no_others() {
        for (name, text) in emitted() {
            let mut wrong = Vec::new();
            walk(&serde_json::from_str(&text).unwrap(), "", &mut wrong);
            assert!(wrong.is_empty(), "{name}: {wrong:?}");
        }
        let mut wrong = Vec::new();
        walk(&json!({ "kind": "Job", "spec": { "completions": "7", "templates": {} } }), "", &mut wrong);
        assert_eq!(wrong.len(), 5, "a wrong type, an unknown field, three that are required: {wrong:?}");
    }

    #[test]
    fn every_index_is_a_shard_and_the_rules_of_the_api_between_fields_hold() {
        let job: Value = serde_json::from_str(&emitted()[0].1).unwrap();
        let spec = &job["spec"];
        assert_eq!((&spec["completions"], &spec["completionMode"]), (&json!(7), &json!("Indexed")));
        // FailIndex needs a limit by index; a failure policy needs pods that are not restarted; a container by its name.
        assert_eq!(spec["podFailurePolicy"]["rules"][0]["action"], "FailIndex");
        assert!(spec["backoffLimitPerIndex"].is_number());
        let pod = &spec["template"]["spec"];
        assert_eq!(pod["restartPolicy"], "Never");
        assert_eq!(
            pod["containers"][0]["name"],
            spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"]
        );
        let command: BTreeSet<&str> =
            pod["containers"][0]["command"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(command.contains("auto/7") && command.contains("x=it's,2") && command.contains("--resume"));
        assert_eq!(pod["containers"][0]["volumeMounts"][0]["name"], pod["volumes"][0]["name"]);
    }
}
