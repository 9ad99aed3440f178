//! A share of a sweep's cells. Knows how shares are named, on the command line and by batch systems; must not know
//! what a cell is.

use std::fmt;

/// Every `of`-th cell from the one numbered `index`: neighbours cost alike, so shares do too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Which, from 0.
    pub index: u32,
    /// Of how many.
    pub of: u32,
}

/// The most shares: our choice, what fits three digits and the array limits of batch systems (Slurm's default
/// `MaxArraySize` is 1001).
pub const MOST_SHARDS: u32 = 1_000;

impl Default for Shard {
    /// The whole.
    fn default() -> Shard {
        Shard { index: 0, of: 1 }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl Shard {
    /// Reads `3/7`, or `auto` and `auto/7`, which ask `env` for the variables that Slurm arrays and Kubernetes Indexed
    /// Jobs set.
    pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
        let number = |name: &str| env(name).and_then(|value| value.trim().parse::<u32>().ok());
        let of = |text: &str| {
            let n = text.trim().parse::<u32>().ok().filter(|n| (1..=MOST_SHARDS).contains(n));
            n.ok_or_else(|| {
                format!("`{text}` is no number of shards from 1 to {MOST_SHARDS}; write, for example, 0/7")
            })
        };
        let (index, of) = match text.trim().split_once('/') {
            Some(("auto", n)) => {
                let index = number("JOB_COMPLETION_INDEX").or_else(|| number("SLURM_ARRAY_TASK_ID"));
                let none =
                    "neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set; write the shard, as in 0/7";
                (index.ok_or(none)?, of(n)?)
            }
            Some((index, n)) => {
                let rule = format!("`{text}` is no shard; write which, from 0, and of how many: 0/7");
                (index.trim().parse().map_err(|_| rule)?, of(n)?)
            }
            None if text.trim() == "auto" => {
                let index = number("SLURM_ARRAY_TASK_ID");
                let count = number("SLURM_ARRAY_TASK_COUNT");
                let (Some(index), Some(count)) = (index, count) else {
                    return Err("SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT are not set; a Kubernetes job does not \
                                tell how many there are: write auto/7"
                        .into());
                };
                let (first, last) = (number("SLURM_ARRAY_TASK_MIN"), number("SLURM_ARRAY_TASK_MAX"));
                // Part of an array, submitted again, tells its own size alone.
                if first.unwrap_or(0) != 0 || last.is_some_and(|last| last + 1 != count) {
                    return Err(
                        "the array does not run from 0 to its size; write how many shards there are: auto/7"
                            .into(),
                    );
                }
                (index, count)
            }
            None => return Err(format!("`{text}` is no shard; write which, from 0, and of how many: 0/7")),
        };
        if index >= of {
            return Err(format!("there is no shard {index} of {of}: they are numbered from 0 to {}", of - 1));
        }
        Ok(Shard { index, of })
    }
    /// Whether this cell is one of its.
    pub fn has(self, cell: u64) -> bool {
        cell % u64::from(self.of) == u64::from(self.index)
    }
    /// The name of its file.
    pub fn file(self) -> String {
        format!("shard-{:03}-of-{:03}.jsonl", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'e>(set: &'e [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'e {
        |name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_string())
    }

    #[test]
    fn each_cell_is_in_one_shard() {
        for of in 1..9 {
            for cell in 0..40 {
                let owners = (0..of).filter(|&index| Shard { index, of }.has(cell)).count();
                assert_eq!(owners, 1, "cell {cell} of {of} shards");
            }
        }
    }

    #[test]
    fn shards_are_numbered_from_0() {
        let none = with(&[]);
        assert_eq!(Shard::parse("6/7", &none), Ok(Shard { index: 6, of: 7 }));
        for text in ["7/7", "-1/7", "0/0", "0/1001", "3", "x/7", "3/x", "auto", "auto/7", ""] {
            assert!(Shard::parse(text, &none).is_err(), "{text}");
        }
    }

    #[test]
    fn batch_systems_tell_which() {
        let array = [
            ("SLURM_ARRAY_TASK_ID", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
            ("SLURM_ARRAY_TASK_MAX", "3"),
        ];
        assert_eq!(Shard::parse("auto", with(&array)), Ok(Shard { index: 2, of: 4 }));
        assert_eq!(Shard::parse("auto/9", with(&array)), Ok(Shard { index: 2, of: 9 }));
        // --array=2,5 of seven, after a failure: the count is the array's, not the sweep's.
        let part = [
            ("SLURM_ARRAY_TASK_ID", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "2"),
            ("SLURM_ARRAY_TASK_MIN", "2"),
            ("SLURM_ARRAY_TASK_MAX", "5"),
        ];
        assert!(Shard::parse("auto", with(&part)).unwrap_err().contains("auto/7"));
        let job = [("JOB_COMPLETION_INDEX", "3")];
        assert_eq!(Shard::parse("auto/7", with(&job)), Ok(Shard { index: 3, of: 7 }));
        assert!(Shard::parse("auto", with(&job)).unwrap_err().contains("auto/7"));
    }
}
