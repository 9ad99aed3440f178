//! The nearest name to one that does not exist. Knows strings alone.

/// How many insertions, deletions, replacements and swaps of neighbours turn `a` into `b` (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The known name that `name` most likely meant: closest in edits and at most a third of its length away, or one
/// that it begins or ends. The first of equals. Of one letter only the other case is near: any letter is one edit
/// from any other.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let fold = |text: &str| text.to_lowercase().replace(['-', ' ', '.'], "_");
    let wanted = fold(name);
    known
        .into_iter()
        .filter(|known| known.len() <= LONGEST)
        .filter_map(|candidate| {
            let other = fold(candidate);
            let edits = distance(&wanted, &other);
            let contained = wanted.len() >= 3
                && (other.starts_with(&wanted) || other.ends_with(&wanted) || wanted.starts_with(&other));
            let letters = wanted.chars().count();
            let limit = if letters == 1 { 0 } else { letters.div_ceil(3) };
            (edits <= limit || contained).then_some((edits, candidate))
        })
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "x"?`, or the names there are, or that there are none.
pub fn suggest<'a>(name: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(close) = nearest(name, known.iter().copied()) {
        return format!("did you mean `{close}`?");
    }
    if known.is_empty() {
        return format!("there are no {what} here");
    }
    const SHOWN: usize = 12;
    let more = if known.len() > SHOWN { format!(", … ({} in all)", known.len()) } else { String::new() };
    let shown: Vec<_> = known.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    format!("{what}: {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("tpu", "tpu"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("ab", "ba"), 1);
    }

    #[test]
    fn the_nearest_is_found_and_nonsense_is_not() {
        let gpus = ["h100-sxm", "a100-sxm-80gb", "l4"];
        assert_eq!(nearest("h100_sxm", gpus), Some("h100-sxm"));
        assert_eq!(nearest("H100", gpus), Some("h100-sxm"));
        assert_eq!(nearest("banana", gpus), None);
        assert_eq!(nearest("replcias", ["gpu", "replicas"]), Some("replicas"));
        assert_eq!(nearest("E", ["A", "B", "C", "D"]), None);
        assert_eq!(nearest("b", ["A", "B", "C", "D"]), Some("B"));
    }
}
