//! Job files for engines that are there already: each runs every shard once and then puts them together. Knows how an
//! engine tells a job which one it is; must not know what is swept. The program runs a shard with `--resume`, so that an
//! engine may start a job again as often as it likes.

mod kubernetes;
mod parallel;
mod slurm;

pub use kubernetes::Cluster;

/// What the jobs run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// The program, as the engine's machines call it.
    pub program: String,
    /// Its arguments, from `sweep` on, without a shard.
    pub arguments: Vec<String>,
    /// The sweep's folder.
    pub out: String,
    /// How many shards.
    pub shards: u32,
    /// Threads of one job.
    pub threads: u32,
}

/// A file of its name and text.
pub type JobFile = (String, String);

/// An engine: a name and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A job array of Slurm.
    Slurm,
    /// GNU parallel, on one machine or several.
    Parallel,
    /// An Indexed Job of Kubernetes.
    Kubernetes(Cluster),
}

impl Engine {
    /// The files, and what to do with them.
    pub fn files(&self, job: &Job) -> (Vec<JobFile>, String) {
        match self {
            Engine::Slurm => slurm::files(job),
            Engine::Parallel => parallel::files(job),
            Engine::Kubernetes(cluster) => kubernetes::files(job, cluster),
        }
    }
}

/// A word as a POSIX shell reads it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | ',' | '+' | '%')
    };
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn line(words: &[&[String]]) -> String {
    words.iter().flat_map(|words| words.iter()).map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

impl Job {
    fn command(&self) -> String {
        let program = [self.program.clone()];
        line(&[&program, &self.arguments])
    }
    fn merge(&self) -> String {
        line(&[&[self.program.clone(), "sweep".into(), "merge".into(), self.out.clone()]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn job() -> Job {
        Job {
            program: "regionsim".into(),
            arguments: ["sweep", "a b.toml", "--over", "x=it's,2", "--out", "out"].map(String::from).to_vec(),
            out: "out".into(),
            shards: 7,
            threads: 1,
        }
    }

    #[test]
    fn words_come_through_a_shell_as_they_are() {
        for word in ["plain", "two words", "it's", "$HOME", "a\"b", "", "x=[1, 2]", "*"] {
            let echo = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output();
            assert_eq!(String::from_utf8(echo.unwrap().stdout).unwrap(), word);
        }
    }

    #[test]
    fn scripts_are_shell() {
        for engine in [Engine::Slurm, Engine::Parallel] {
            for (name, text) in engine.files(&job()).0 {
                let mut file = tempfile::NamedTempFile::new().unwrap();
                std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
                let checked = std::process::Command::new("sh").arg("-n").arg(file.path()).output().unwrap();
                assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
                assert!(!text.contains("0/7") && !text.contains('\r'), "{name}");
            }
        }
    }
}
