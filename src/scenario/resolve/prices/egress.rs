//! What bytes cost on each link, and where that comes from. A link may go without: it is said, and egress then has bytes
//! and no dollars.

use super::super::Resolver;
use crate::catalog;
use crate::cost::{
    EgressRates, FRAMING_BYTES_PER_TOKEN, INTERNET, LinkPrice, MicroUsd, TEXT_BYTES_PER_TOKEN,
};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::document::At;
use crate::scenario::nearest::suggest;
use crate::scenario::plan::RegionFacts;
use std::collections::BTreeMap;

/// The most that 10⁹ bytes may cost, dollars.
const MOST: f64 = 1_000.0;

impl Resolver<'_> {
    /// The prices of all links between regions, and from each to the internet.
    pub(super) fn egress(&mut self, names: &[String], facts: &[RegionFacts]) -> EgressRates {
        let raw = self.raw.prices.egress.clone().unwrap_or_default();
        let stated = self.stated_links(names, &raw.per_gb);
        let location = |index: usize| facts.get(index).and_then(|facts| facts.catalogue.as_deref());
        let price = |from: usize, to: Option<usize>| {
            let usual = if to.is_some() { raw.between } else { raw.internet };
            let own = stated.get(&(from, to)).copied().or(usual);
            if let Some(usd) = own {
                return Some((usd, "stated".to_string()));
            }
            let (here, there) = (location(from)?, to.map(location));
            if there == Some(Some(here)) {
                return Some((0.0, "within one location".to_string()));
            }
            let row = catalog::egress_price(here, there.flatten())?;
            // Somewhere outside of the catalogue is reached over the internet, as another cloud is.
            Some((row.usd_per_gb, format!("{} to {}, {}, {}", row.from, row.to, row.source, row.date)))
        };
        let (mut links, mut unknown) = (Vec::new(), Vec::new());
        for (from, name) in names.iter().enumerate() {
            let others = (0..names.len()).filter(|&to| to != from).map(Some);
            for to in std::iter::once(None).chain(others) {
                let target = to.map_or(INTERNET, |to| names[to].as_str());
                match price(from, to) {
                    Some((usd, source)) => links.push(LinkPrice {
                        from: name.clone(),
                        to: target.to_string(),
                        micro_usd_per_gb: MicroUsd::from_usd(usd).0,
                        source,
                    }),
                    None => unknown.push(format!("{name}->{target}")),
                }
            }
        }
        if let Some(first) = unknown.first() {
            let title = if unknown.len() == 1 {
                format!(
                    "what bytes cost is not known on {first}: egress is counted in bytes alone where it is used"
                )
            } else {
                format!(
                    "what bytes cost is not known on {first} and {} more: egress is counted in bytes alone where one of \
                     them is used",
                    unknown.len() - 1
                )
            };
            let item = Diagnostic::notice(self.place(&["prices"], At::Key), title)
                .label("the catalogue has no price from there")
                .help(format!(
                    "state it: `per_gb = {{ \"{first}\" = 0.05 }}` in `[prices.egress]`, or `internet` and `between` for all"
                ));
            self.push(item);
        }
        EgressRates {
            text_bytes_per_token: raw.text_bytes_per_token.unwrap_or(TEXT_BYTES_PER_TOKEN),
            framing_bytes_per_token: raw.framing_bytes_per_token.unwrap_or(FRAMING_BYTES_PER_TOKEN),
            links,
        }
    }

    /// Prices of single links, by the indices of their ends.
    fn stated_links(
        &mut self,
        names: &[String],
        per_gb: &BTreeMap<String, f64>,
    ) -> BTreeMap<(usize, Option<usize>), f64> {
        let mut stated = BTreeMap::new();
        for (key, &usd) in per_gb {
            let path = ["prices", "egress", "per_gb", key.as_str()];
            let Some((from, to)) = key.split_once("->").map(|(from, to)| (from.trim(), to.trim())) else {
                let item = self
                    .error_at_key(&path, "`per_gb` is by links")
                    .label(format!("`{key}` is none"))
                    .help("write the two ends, one way: \"us->eu\", or \"us->internet\"");
                self.push(item);
                continue;
            };
            if from == INTERNET {
                let item = self
                    .error_at_key(&path, "what comes in from the internet costs nothing")
                    .label("this link begins there")
                    .help(format!("write \"{to}->internet\" for what goes out, or leave it out"));
                self.push(item);
                continue;
            }
            if from == to {
                let item = self
                    .error_at_key(&path, "a link has two ends")
                    .label(format!("both are `{from}`"))
                    .help("leave it out: bytes within a region are not counted");
                self.push(item);
                continue;
            }
            let mut find = |name: &str, internet: bool| {
                let index = names.iter().position(|other| other == name);
                if index.is_none() {
                    let known = names.iter().map(String::as_str);
                    let known: Vec<&str> = known.chain(internet.then_some(INTERNET)).collect();
                    let item = self
                        .error_at_key(&path, "a link is between regions of this scenario, or to the internet")
                        .label(format!("there is no region `{name}`"))
                        .help(suggest(name, "the names are", known));
                    self.push(item);
                }
                index
            };
            let from = find(from, false);
            let to = if to == INTERNET { Some(None) } else { find(to, true).map(Some) };
            if !(0.0..=MOST).contains(&usd) {
                let item = self
                    .error(&path, "a price of bytes is between 0 and 1000 dollars")
                    .label(format!("{usd} is not"))
                    .help("write dollars for 10⁹ bytes, such as 0.02");
                self.push(item);
            }
            if let (Some(from), Some(to)) = (from, to) {
                stated.insert((from, to), usd);
            }
        }
        stated
    }
}
