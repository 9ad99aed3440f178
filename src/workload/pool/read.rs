//! Reader of client pools (alibaba/ServeGen, arXiv 2505.09999, in tables): rates as `client,t,rate,cv,pattern,p1,p2`, one
//! line for a client and a bin of time, and lengths as `client,t` with quantiles `input_tokens_p50`, `output_tokens_p50` and
//! so on. `t` is in seconds from a local midnight, `rate` in requests per second, `pattern` is `Gamma` or `Weibull` with
//! the shape in `p1` (its scale, `p2`, is not used: the rate gives the mean), or empty where the client is idle. A bin
//! lasts until the client's next; the last as long as the one before.

use super::{Bin, ClientPool, Law, Lengths, PoolClient, PoolSummary};
use crate::digest::Digest;
use crate::dist::Dist;
use crate::workload::Tokens;
use crate::workload::each_line::line_finding;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::open_file::Lines;
use crate::workload::table::Table;
use std::collections::BTreeMap;
use std::path::Path;

/// How long a client's only bin lasts, in seconds (the bins of the published tables).
const BIN_S: f64 = 600.0;
/// The latest time that is believed, in seconds: 200 days.
const LATEST_S: u64 = 200 * 86_400;
/// The highest rate that is believed, per second.
const MOST_PER_S: f64 = 1e6;

/// Reads both tables, plain, gzip or zstd. The first file with mistakes tells its own alone.
pub fn read_pool(rates: &Path, lengths: &Path) -> Result<ClientPool, TraceErrors> {
    let mut digest = Digest::new();
    let bins = read_rates(open(rates)?, rates, &mut digest)?;
    let mut of_client = read_lengths(open(lengths)?, lengths, &mut digest)?;
    let mut notices = Vec::new();
    let borrowed: Vec<u32> = bins.keys().filter(|client| !of_client.contains_key(client)).copied().collect();
    if !borrowed.is_empty() {
        notices.push(format!(
            "{} of {} clients have no lengths of their own: each takes those of the next client that has some",
            borrowed.len(),
            bins.len()
        ));
    }
    for client in borrowed {
        let next = of_client.range(client..).next().or_else(|| of_client.iter().next());
        let taken = next.map(|(_, lengths)| lengths.clone()).unwrap_or_default();
        of_client.insert(client, taken);
    }
    let seconds = bins.values().flatten().map(|bin| bin.to_s).fold(0.0, f64::max);
    let requests: f64 = bins.values().flatten().map(|bin| bin.rate * (bin.to_s - bin.from_s)).sum();
    let summary = PoolSummary {
        rates: rates.to_string_lossy().replace('\\', "/"),
        lengths: lengths.to_string_lossy().replace('\\', "/"),
        content_hash: digest.value(),
        clients: bins.len() as u64,
        seconds: seconds as u64,
        requests_per_s: requests / seconds,
    };
    let clients = bins.into_iter().map(|(number, bins)| PoolClient {
        number,
        bins,
        lengths: of_client.remove(&number).unwrap_or_default(),
    });
    Ok(ClientPool { summary, clients: clients.collect(), notices })
}

fn open(path: &Path) -> Result<Lines, TraceErrors> {
    let fail = |finding| TraceErrors::one(path, finding);
    let mut lines = Lines::open(path).map_err(|error| {
        let next = "Give the path of a table of clients";
        fail(TraceFinding::new(0, "file", error, "it must be a readable file", next))
    })?;
    match lines.advance() {
        Ok(true) => Ok(lines),
        Ok(false) => {
            let next = "Give a table with a header line";
            Err(fail(TraceFinding::new(0, "file", "empty", "it must have lines", next)))
        }
        Err(error) => Err(fail(line_finding(&lines, &error))),
    }
}

/// Calls `row` for every line after the header; findings are gathered.
fn each_row(
    mut lines: Lines,
    table: &mut Table,
    errors: &mut TraceErrors,
    mut row: impl FnMut(&Table, u64) -> Result<(), TraceFinding>,
) {
    loop {
        match lines.advance() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return errors.push(line_finding(&lines, &error)),
        }
        let number = lines.number();
        if let Err(finding) = table.split(number, lines.line()).and_then(|()| row(table, number)) {
            errors.push(finding);
        }
    }
}

/// Client and time of a line; a client's times rise.
fn place(
    table: &Table,
    number: u64,
    columns: (usize, usize),
    last: &mut BTreeMap<u32, u64>,
) -> Result<(u32, u64), TraceFinding> {
    let next = "Correct or drop the line";
    let client = table.integer(number, "client", columns.0)?;
    let Ok(client) = u32::try_from(client) else {
        return Err(TraceFinding::new(number, "client", client, "must be below 4294967296", next));
    };
    let time = table.integer(number, "t", columns.1)?;
    if time > LATEST_S {
        return Err(TraceFinding::new(number, "t", time, "must be within 200 days, in seconds", next));
    }
    if let Some(&before) = last.get(&client).filter(|&&before| before >= time) {
        let rule = format!("client {client} has a line at {before} s before it: a client's times must rise");
        return Err(TraceFinding::new(number, "t", time, rule, "Sort the lines by time, each once"));
    }
    last.insert(client, time);
    Ok((client, time))
}

fn read_rates(
    lines: Lines,
    path: &Path,
    digest: &mut Digest,
) -> Result<BTreeMap<u32, Vec<Bin>>, TraceErrors> {
    let mut errors = TraceErrors::new(path);
    let names = ["client", "t", "rate", "pattern", "p1"];
    let Some((mut table, [client, time, rate, pattern, p1])) = Table::open(&lines, names, &mut errors) else {
        return Err(errors);
    };
    let mut clients: BTreeMap<u32, Vec<Bin>> = BTreeMap::new();
    let mut last = BTreeMap::new();
    each_row(lines, &mut table, &mut errors, |table, number| {
        let next = "Correct or drop the line";
        let (client, at) = place(table, number, (client, time), &mut last)?;
        let rate = table.number(number, "rate", rate)?;
        if rate > MOST_PER_S {
            return Err(TraceFinding::new(number, "rate", rate, "must be at most 1000000 a second", next));
        }
        let shape = table.number(number, "p1", p1)?;
        let sound = |shape: f64, least: f64| {
            let rule = format!("the shape of the gaps must lie in {least}..=10000");
            let ok = (least..=1e4).contains(&shape);
            if ok { Ok(shape) } else { Err(TraceFinding::new(number, "p1", shape, rule, next)) }
        };
        let law = match table.text(pattern) {
            "Gamma" => Law::Gamma(sound(shape, 1e-4)?),
            "Weibull" => Law::Weibull(sound(shape, 0.05)?),
            "" if rate == 0.0 => Law::Gamma(1.0),
            "" => {
                let rule = "a client with a rate has a pattern, Gamma or Weibull";
                return Err(TraceFinding::new(number, "pattern", "absent", rule, next));
            }
            other => {
                let rule = "must be Gamma, Weibull, or empty for an idle client";
                return Err(TraceFinding::new(number, "pattern", other, rule, next));
            }
        };
        for word in
            [u64::from(client), at, rate.to_bits(), shape.to_bits(), matches!(law, Law::Gamma(_)) as u64]
        {
            digest.word(word);
        }
        let bin = Bin { from_s: at as f64, to_s: at as f64 + BIN_S, rate, law };
        clients.entry(client).or_default().push(bin);
        Ok(())
    });
    if errors.is_empty() && !clients.values().flatten().any(|bin| bin.rate > 0.0) {
        let next = "Give a table in which some client sends";
        errors.push(TraceFinding::new(0, "rate", "0 throughout", "some client must have a rate", next));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    for bins in clients.values_mut() {
        for index in 1..bins.len() {
            bins[index - 1].to_s = bins[index].from_s;
        }
        if let [.., before, last] = bins.as_mut_slice() {
            last.to_s = last.from_s + (before.to_s - before.from_s);
        }
    }
    Ok(clients)
}

/// Quantile columns of `what`: probability and index, rising.
fn quantile_columns(table: &Table, what: &str) -> Vec<(f64, usize)> {
    let prefix = format!("{what}_p");
    let column = |(index, name): (usize, &String)| {
        let percent = name.strip_prefix(&prefix)?.parse::<f64>().ok()?;
        (0.0..=100.0).contains(&percent).then_some((percent / 100.0, index))
    };
    let mut columns: Vec<(f64, usize)> = table.names().iter().enumerate().filter_map(column).collect();
    columns.sort_by(|a, b| a.0.total_cmp(&b.0));
    columns
}

fn read_lengths(
    lines: Lines,
    path: &Path,
    digest: &mut Digest,
) -> Result<BTreeMap<u32, Vec<Lengths>>, TraceErrors> {
    let mut errors = TraceErrors::new(path);
    let Some((mut table, [client, time])) = Table::open(&lines, ["client", "t"], &mut errors) else {
        return Err(errors);
    };
    let columns = ["input_tokens", "output_tokens"].map(|what| (what, quantile_columns(&table, what)));
    for (what, columns) in &columns {
        if columns.len() < 2 {
            let rule = "the first line must name at least two of its quantiles";
            let next = "Name them by percent, such as input_tokens_p50 and input_tokens_p99";
            errors.push(TraceFinding::new(1, what, "absent", rule, next));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut clients: BTreeMap<u32, Vec<Lengths>> = BTreeMap::new();
    let mut last = BTreeMap::new();
    each_row(lines, &mut table, &mut errors, |table, number| {
        let (client, at) = place(table, number, (client, time), &mut last)?;
        digest.word(u64::from(client));
        digest.word(at);
        let mut law =
            |(what, columns): &(&str, Vec<(f64, usize)>)| quantiles(table, number, what, columns, digest);
        let (input, output) = (law(&columns[0])?, law(&columns[1])?);
        clients.entry(client).or_default().push(Lengths { from_s: at as f64, input, output });
        Ok(())
    });
    if errors.is_empty() && clients.is_empty() {
        let next = "Give a table with lengths";
        errors.push(TraceFinding::new(0, "file", "no lines", "some client must have lengths", next));
    }
    if errors.is_empty() { Ok(clients) } else { Err(errors) }
}

/// A table of quantiles: what lies beyond the first and the last is taken to be as long as they.
fn quantiles(
    table: &Table,
    number: u64,
    what: &str,
    columns: &[(f64, usize)],
    digest: &mut Digest,
) -> Result<Tokens, TraceFinding> {
    let most = crate::workload::data::MAX_TOKENS as f64;
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(columns.len() + 2);
    for &(p, index) in columns {
        let field = format!("{what}_p{}", p * 100.0);
        let value = table.number(number, &field, index)?;
        let next = "Correct or drop the line";
        if value > most {
            return Err(TraceFinding::new(number, &field, value, "must be at most 16777216 tokens", next));
        }
        if let Some(&(_, before)) = points.last().filter(|(_, before)| *before > value) {
            let rule = format!("must not be less than the quantile before it, {before}");
            return Err(TraceFinding::new(number, &field, value, rule, next));
        }
        digest.word(value.to_bits());
        points.push((p, value));
    }
    let (first, last) = (points[0], points[points.len() - 1]);
    if first.0 > 0.0 {
        points.insert(0, (0.0, first.1));
    }
    if last.0 < 1.0 {
        points.push((1.0, last.1));
    }
    Ok(Tokens::new(Dist::Quantiles { table: points }, (last.1.ceil() as u32).max(1)))
}
