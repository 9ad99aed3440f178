//! Small formulas over measures, as an expectation file states them: `prefix.throughput.requests / random.throughput.requests`.
//! Knows numbers, `+ - * / ( )`, `min`, `max`, `abs` and names with dots; must not know what a name means. Mistakes are told
//! with the bytes at which they are.

use std::ops::Range;

/// How deep brackets may go: our choice, far beyond any formula, so that reading cannot exhaust the stack.
const DEEPEST: usize = 32;

/// A formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A number.
    Number(f64),
    /// A measure of a run, a policy and maybe a rung.
    Term(Term),
    /// Minus another.
    Minus(Box<Expression>),
    /// Two, joined.
    Two(Operator, Box<Expression>, Box<Expression>),
    /// A function of some.
    Call(Function, Vec<Expression>),
}

/// A name in a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// As it is written, `c800.random@20.ttft.mean`.
    pub name: String,
    /// Where in the formula, in bytes.
    pub at: Range<usize>,
}

/// What joins two formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`.
    Plus,
    /// `-`.
    Minus,
    /// `*`.
    Times,
    /// `/`.
    Over,
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Without its sign.
    Abs,
}

/// What is wrong with a formula: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where in the formula, in bytes.
    pub at: Range<usize>,
    /// The rule that is broken.
    pub rule: String,
    /// The next step.
    pub help: String,
}

impl Expression {
    /// Reads a formula.
    pub fn parse(text: &str) -> Result<Expression, Wrong> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let found = reader.sum()?;
        reader.space();
        if reader.at < text.len() {
            return Err(reader.wrong("a formula ends here, or goes on with + - * /", EXAMPLE));
        }
        Ok(found)
    }
    /// All names, in order.
    pub fn terms(&self) -> Vec<&Term> {
        match self {
            Expression::Number(_) => Vec::new(),
            Expression::Term(term) => vec![term],
            Expression::Minus(inner) => inner.terms(),
            Expression::Two(_, left, right) => left.terms().into_iter().chain(right.terms()).collect(),
            Expression::Call(_, inner) => inner.iter().flat_map(Expression::terms).collect(),
        }
    }
    /// Its value, names being what `of` says; `None` where one has none or nothing finite comes of it.
    pub fn value(&self, of: &dyn Fn(&Term) -> Option<f64>) -> Option<f64> {
        let value = match self {
            Expression::Number(number) => *number,
            Expression::Term(term) => of(term)?,
            Expression::Minus(inner) => -inner.value(of)?,
            Expression::Two(operator, left, right) => {
                let (left, right) = (left.value(of)?, right.value(of)?);
                match operator {
                    Operator::Plus => left + right,
                    Operator::Minus => left - right,
                    Operator::Times => left * right,
                    Operator::Over => left / right,
                }
            }
            Expression::Call(function, inner) => {
                let values = inner.iter().map(|inner| inner.value(of)).collect::<Option<Vec<f64>>>()?;
                match function {
                    Function::Min => values.into_iter().reduce(f64::min)?,
                    Function::Max => values.into_iter().reduce(f64::max)?,
                    Function::Abs => values.first()?.abs(),
                }
            }
        };
        value.is_finite().then_some(value)
    }
}

const EXAMPLE: &str = "such as `prefix.throughput.requests / random.throughput.requests`";

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }
    fn take(&mut self, wanted: char) -> bool {
        self.space();
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }
    fn wrong(&self, rule: &str, help: &str) -> Wrong {
        let length = self.rest().chars().next().map_or(0, char::len_utf8);
        Wrong { at: self.at..self.at + length, rule: rule.to_owned(), help: help.to_owned() }
    }
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth == DEEPEST {
            return Err(self.wrong(&format!("a formula is at most {DEEPEST} brackets deep"), "shorten it"));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn sum(&mut self) -> Result<Expression, Wrong> {
        let mut left = self.product()?;
        loop {
            let operator = match () {
                () if self.take('+') => Operator::Plus,
                () if self.take('-') => Operator::Minus,
                () => return Ok(left),
            };
            left = Expression::Two(operator, Box::new(left), Box::new(self.product()?));
        }
    }
    fn product(&mut self) -> Result<Expression, Wrong> {
        let mut left = self.factor()?;
        loop {
            let operator = match () {
                () if self.take('*') => Operator::Times,
                () if self.take('/') => Operator::Over,
                () => return Ok(left),
            };
            left = Expression::Two(operator, Box::new(left), Box::new(self.factor()?));
        }
    }
    fn factor(&mut self) -> Result<Expression, Wrong> {
        if self.take('-') {
            return Ok(Expression::Minus(Box::new(self.deeper(Self::factor)?)));
        }
        if self.take('(') {
            let inner = self.deeper(Self::sum)?;
            return if self.take(')') {
                Ok(inner)
            } else {
                Err(self.wrong("a bracket is closed", "add `)`"))
            };
        }
        let from = self.at;
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@');
        self.at += self.rest().find(|c| !word(c)).unwrap_or(self.rest().len());
        let name = &self.text[from..self.at];
        let at = from..self.at;
        if name.is_empty() {
            return Err(self.wrong("a number, a name or a bracket stands here", EXAMPLE));
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            let number = name.parse::<f64>().ok().filter(|number| number.is_finite());
            return number.map(Expression::Number).ok_or_else(|| Wrong {
                at,
                rule: format!("`{name}` is no number"),
                help: "write digits, such as 1.5; names begin with a letter".to_owned(),
            });
        }
        let function = match name {
            "min" => Function::Min,
            "max" => Function::Max,
            "abs" => Function::Abs,
            _ => return Ok(Expression::Term(Term { name: name.to_owned(), at })),
        };
        if !self.take('(') {
            return Err(self.wrong(&format!("`{name}` is a function"), &format!("write {name}(…)")));
        }
        let mut inner = vec![self.deeper(Self::sum)?];
        while self.take(',') {
            inner.push(self.deeper(Self::sum)?);
        }
        if function == Function::Abs && inner.len() > 1 {
            return Err(Wrong {
                at,
                rule: "`abs` takes one".to_owned(),
                help: "leave the others out".to_owned(),
            });
        }
        if self.take(')') {
            Ok(Expression::Call(function, inner))
        } else {
            Err(self.wrong("a bracket is closed", "add `)`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Option<f64> {
        let of = |term: &Term| match term.name.as_str() {
            "a.x" => Some(6.0),
            "b@2.5.x" => Some(4.0),
            "zero" => Some(0.0),
            _ => None,
        };
        Expression::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}")).value(&of)
    }

    #[test]
    fn arithmetic_is_as_at_school() {
        for (text, expected) in [
            ("1 + 2 * 3", Some(7.0)),
            ("(1 + 2) * 3", Some(9.0)),
            ("7 - 2 - 1", Some(4.0)),
            ("8 / 2 / 2", Some(2.0)),
            ("-a.x + 10", Some(4.0)),
            ("a.x/b@2.5.x", Some(1.5)),
            ("max(1, a.x, 3) - min(2, 1)", Some(5.0)),
            ("abs(1 - a.x)", Some(5.0)),
            ("a.x / zero", None),
            ("nobody", None),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_where_it_is() {
        for (text, at) in [
            ("", 0..0),
            ("a +", 3..3),
            ("a b", 2..3),
            ("(a", 2..2),
            ("a / é", 4..6),
            ("1.2.3", 0..5),
            ("max a", 4..5),
            ("abs(a, b)", 0..3),
        ] {
            assert_eq!(Expression::parse(text).unwrap_err().at, at, "{text}");
        }
        assert!(Expression::parse(&"(".repeat(100_000)).unwrap_err().rule.contains("deep"));
        assert!(Expression::parse(&"-".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fall(text in "[ a-c0-9.@+*/(),é-]{0,40}") {
            let _ = Expression::parse(&text).map(|found| found.value(&|_| Some(1.0)));
        }
    }
}
