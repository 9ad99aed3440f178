//! What a policy's gateways see: defaults, and views that nothing in the policy reads.

use super::Resolver;
use crate::id::RegionId;
use crate::rng::Key;
use crate::routing::{
    BuildContext, CacheView, Feed, IndexSource, LoadView, Needs, PolicySpec, Poll, Target, Views,
};
use crate::scenario::raw::views::{RawCacheView, RawFeed, RawLoadView, RawPoll, RawViews};
use crate::time::Span;

impl Resolver<'_> {
    /// The views of policy `name`, whose stages are `specs` and whose admission reads loads if `admits`.
    pub(super) fn views(
        &mut self,
        name: &str,
        raw: Option<RawViews>,
        specs: &[&PolicySpec],
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
        Views {
            load: match raw.load {
                None | Some(RawLoadView::Oracle) => LoadView::Oracle,
                Some(RawLoadView::Poll(poll)) => LoadView::Poll(self.poll(name, &poll)),
                Some(RawLoadView::Event(raw)) => LoadView::Event(feed(&raw)),
            },
            cache: match raw.cache {
                None | Some(RawCacheView::Oracle) => CacheView::Oracle,
                Some(RawCacheView::Event(raw)) => CacheView::Event(feed(&raw)),
            },
            own: raw.own.unwrap_or_default(),
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
        if poll.every < Span::from_ms(1) {
            let item = self
                .error(&path("every"), "a gateway polls at most a thousand times a second")
                .label("this is more often")
                .help("write \"1ms\" or more; without `views` loads are seen as they are");
            self.push(item);
        } else if poll.jitter + poll.delay > poll.every {
            let key = if poll.jitter > poll.delay { "jitter" } else { "delay" };
            let item = self
                .error(&path(key), "a reading arrives before the next is made: `jitter` and `delay` are together at most `every`")
                .label("too long")
                .context(self.place(&path("every"), super::At::Value), "the next reading")
                .help("make it shorter, or poll less often");
            self.push(item);
        }
        if raw.on_stale.is_some() && raw.stale_after.is_none() {
            let item = self
                .error(&path("on_stale"), "`on_stale` needs `stale_after`")
                .label("nothing is ever stale")
                .help("add `stale_after = \"…\"`, or leave `on_stale` out");
            self.push(item);
        }
        poll
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
