//! What a policy's gateways see: defaults, and views that nothing in the policy reads.

use super::{Resolver, id_or_first};
use crate::id::RegionId;
use crate::rng::Key;
use crate::routing::{
    BuildContext, CacheView, Feed, IndexSource, LoadView, Needs, PolicySpec, Poll, Probe, RttView, Store,
    Target, Views,
};
use crate::scenario::raw::views::{
    RawCacheView, RawFeed, RawLoadView, RawPoll, RawRttView, RawStore, RawViews,
};
use crate::time::Span;

/// Policies that never look how far a target is.
const BLIND_TO_DISTANCE: [&str; 13] = [
    "round_robin",
    "random",
    "least_request",
    "least_load",
    "p2c",
    "session",
    "prefix",
    "chwbl",
    "cache_aware",
    "epp",
    "epp_precise",
    "dynamo_kv",
    "sticky_until_saturated",
];

impl Resolver<'_> {
    /// The views of policy `name`, whose stages are `specs` and whose admission reads loads if `admits`.
    pub(super) fn views(
        &mut self,
        name: &str,
        raw: Option<RawViews>,
        specs: &[&PolicySpec],
        regions: &[String],
        admits: bool,
    ) -> Views {
        let raw = raw.unwrap_or_default();
        let needs: Vec<Needs> =
            specs.iter().filter(|spec| spec.validate().is_empty()).map(|spec| needs(spec)).collect();
        let all_known = needs.len() == specs.len();
        if all_known && raw.load.is_some() && !admits && !needs.iter().any(|needs| needs.load) {
            self.unread(name, "load", "the replicas' loads", "least_load");
        }
        let follows = needs.iter().any(|needs| needs.source() == Some(IndexSource::Oracle));
        if all_known && raw.cache.is_some() && !follows {
            self.unread(name, "cache", "the replicas' caches", "epp_precise");
        }
        if raw.rtt.is_some() && specs.iter().all(|spec| BLIND_TO_DISTANCE.contains(&spec.name())) {
            self.unread(name, "rtt", "round-trip times", "gorgo");
        }
        let mut speculative_ttl = None;
        if let Some(RawCacheView::Event(feed)) = &raw.cache
            && let Some(ttl) = feed.speculative_ttl
        {
            speculative_ttl = Some(ttl.0);
            if ttl.0 == Span::ZERO {
                let item = self
                    .error(
                        &["policies", name, "views", "cache", "event", "speculative_ttl"],
                        "what is believed for no time is not believed",
                    )
                    .label("no time")
                    .help("write a time longer than `delay`, such as \"2s\", or leave it out");
                self.push(item);
            }
        }
        Views {
            load: match raw.load {
                None | Some(RawLoadView::Oracle) => LoadView::Oracle,
                Some(RawLoadView::Poll(poll)) => LoadView::Poll(self.poll(name, &poll)),
                Some(RawLoadView::Event(raw)) => LoadView::Event(feed(&raw)),
                Some(RawLoadView::Store(raw)) => {
                    self.store(name, &raw, regions).map_or(LoadView::Oracle, LoadView::Store)
                }
            },
            cache: match raw.cache {
                None | Some(RawCacheView::Oracle) => CacheView::Oracle,
                Some(RawCacheView::Event(raw)) => {
                    CacheView::Event(feed(&RawFeed { delay: raw.delay, loss: raw.loss }))
                }
            },
            own: raw.own.unwrap_or_default(),
            speculative_ttl,
            rtt: match raw.rtt {
                None | Some(RawRttView::Configured) => RttView::Configured,
                Some(RawRttView::Probe(probe)) => {
                    let path = ["policies", name, "views", "rtt", "probe", "every"];
                    self.not_too_often(&path, probe.every.0, "probes");
                    RttView::Probe(Probe { every: probe.every.0, ewma: probe.ewma.unwrap_or(1.0) })
                }
            },
        }
    }

    fn poll(&mut self, name: &str, raw: &RawPoll) -> Poll {
        let span = |time: Option<crate::units::Duration>| time.map_or(Span::ZERO, |time| time.0);
        let poll = Poll {
            every: raw.every.0,
            jitter: span(raw.jitter),
            delay: span(raw.delay),
            loss: raw.loss.map_or(0.0, |loss| loss.0),
            ewma: raw.ewma.unwrap_or(1.0),
            stale_after: raw.stale_after.map(|time| time.0),
            on_stale: raw.on_stale.unwrap_or_default(),
        };
        let path = |key| ["policies", name, "views", "load", "poll", key];
        if self.not_too_often(&path("every"), poll.every, "polls") && poll.jitter + poll.delay > poll.every {
            let key = if poll.jitter > poll.delay { "jitter" } else { "delay" };
            let item = self
                .error(&path(key), "a reading arrives before the next is made: `jitter` and `delay` are together at most `every`")
                .label("too long")
                .context(self.place(&path("every"), super::At::Value), "the next reading")
                .help("make it shorter, or poll less often");
            self.push(item);
        }
        self.can_be_stale(&path("on_stale"), raw.on_stale.is_some(), raw.stale_after.is_some());
        poll
    }

    fn store(&mut self, name: &str, raw: &RawStore, regions: &[String]) -> Option<Store> {
        let path = |key| ["policies", name, "views", "load", "store", key];
        self.not_too_often(&path("write_every"), raw.write_every.0, "writes");
        if let Some(read_every) = raw.read_every {
            self.not_too_often(&path("read_every"), read_every.0, "reads");
        }
        self.can_be_stale(&path("on_stale"), raw.on_stale.is_some(), raw.stale_after.is_some());
        let at = self.find(regions, &raw.at, "region", "regions", &path("at"))?;
        Some(Store {
            at: id_or_first(Some(at)),
            write_every: raw.write_every.0,
            write_delay: raw.write_delay.map_or(Span::ZERO, |time| time.0),
            read_every: raw.read_every.map_or(raw.write_every.0, |time| time.0),
            stale_after: raw.stale_after.map(|time| time.0),
            on_stale: raw.on_stale.unwrap_or_default(),
        })
    }

    /// Whether a period is long enough; says so where it is not.
    fn not_too_often(&mut self, path: &[&str], every: Span, does: &str) -> bool {
        let fine = every >= Span::from_ms(1);
        if !fine {
            let who = if does == "writes" { "region" } else { "gateway" };
            let item = self
                .error(path, format!("a {who} {does} at most a thousand times a second"))
                .label("this is more often")
                .help("write \"1ms\" or more; without `views` all is seen as it is");
            self.push(item);
        }
        fine
    }

    fn can_be_stale(&mut self, path: &[&str], on_stale: bool, stale_after: bool) {
        if on_stale && !stale_after {
            let item = self
                .error(path, "`on_stale` needs `stale_after`")
                .label("nothing is ever stale")
                .help("add `stale_after = \"…\"`, or leave `on_stale` out");
            self.push(item);
        }
    }

    fn unread(&mut self, name: &str, key: &str, what: &str, example: &str) {
        let item = self
            .error_at_key(&["policies", name, "views", key], format!("no stage of policy `{name}` reads {what}"))
            .label("nobody looks")
            .help(format!("leave it out, or take a policy that reads them, such as `{example}`; the pages of policies say what each reads"));
        self.push(item);
    }
}

fn feed(raw: &RawFeed) -> Feed {
    Feed { delay: raw.delay.map_or(Span::ZERO, |delay| delay.0), loss: raw.loss.map_or(0.0, |loss| loss.0) }
}

/// What a policy declares that it reads.
fn needs(spec: &PolicySpec) -> Needs {
    let rtt = Span::ZERO;
    let target = Target { name: "any".into(), replica: None, region: RegionId(0), rtt, replicas: 1 };
    spec.build(&BuildContext { targets: &[target], key: Key::root(0) }).needs()
}
