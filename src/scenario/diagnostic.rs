//! What is wrong with a scenario, and how it is shown. Knows source text and byte ranges; must not know what a
//! scenario means. A message has the place (file, line, caret), the rule, the value and the next step.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// A range of bytes in the scenario's text.
pub type Place = Range<usize>;

/// The most messages that are rendered: whoever has more will mend these first.
const SHOWN: usize = 100;

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scenario cannot be run.
    Error,
    /// It can, but look before trusting the results.
    Notice,
}

/// One mistake, or one thing to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// What must hold, or what is wrong, in one line.
    pub title: String,
    /// Where, and what stands at the caret; `None` where the whole file is meant.
    pub place: Option<Place>,
    /// The words at the caret.
    pub label: String,
    /// Other places that explain it.
    pub context: Vec<(Place, String)>,
    /// Details.
    pub notes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at `place`.
    pub fn error(place: Place, title: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            title: title.into(),
            place: Some(place),
            label: String::new(),
            context: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }
    /// A notice at `place`.
    pub fn notice(place: Place, title: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Notice, ..Diagnostic::error(place, title) }
    }
    /// An error of the whole file.
    pub fn error_of_file(title: impl Into<String>) -> Self {
        Diagnostic { place: None, ..Diagnostic::error(0..0, title) }
    }
    /// Adds the words at the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
    /// Adds another place.
    pub fn context(mut self, place: Place, words: impl Into<String>) -> Self {
        self.context.push((place, words.into()));
        self
    }
    /// Adds a detail.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
    /// Adds a next step.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// All that was found in one file, in file order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// The file's name as the user gave it.
    pub file: String,
    /// Its text, after overrides.
    pub text: String,
    /// What was found.
    pub items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.items.iter().filter(|item| item.severity == Severity::Error).count()
    }
    /// All messages for people; `colour` for terminals.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(110);
        let mut shown: Vec<String> =
            self.items.iter().take(SHOWN).map(|item| self.show(item, &renderer)).collect();
        if self.items.len() > SHOWN {
            shown.push(format!("and {} more messages", self.items.len() - SHOWN));
        }
        let errors = self.errors();
        if errors > 1 {
            shown.push(format!("{errors} mistakes in {}", self.file));
        }
        shown.join("\n\n")
    }

    fn show(&self, item: &Diagnostic, renderer: &Renderer) -> String {
        let level = match item.severity {
            Severity::Error => Level::ERROR,
            Severity::Notice => Level::NOTE,
        };
        let title = level.primary_title(item.title.as_str());
        let mut group = match &item.place {
            None => title.element(annotate_snippets::Origin::path(self.file.as_str())),
            Some(place) => {
                // Only the lines between the first and the last place: the renderer reads all it is given.
                let places =
                    || item.context.iter().map(|other| &other.0).chain([place]).map(|p| self.visible(p));
                let first = places().map(|place| place.start).min().unwrap_or(0);
                let last = places().map(|place| place.end).max().unwrap_or(0);
                let from = self.text[..first].rfind('\n').map_or(0, |at| at + 1);
                let to = self.text[last..].find('\n').map_or(self.text.len(), |at| last + at);
                let line = 1 + self.text[..from].matches('\n').count();
                let inside = |place: &Place| {
                    let place = self.visible(place);
                    place.start - from..place.end - from
                };
                let mut snippet = Snippet::source(self.text[from..to].trim_end_matches('\r'))
                    .path(self.file.as_str())
                    .line_start(line);
                let mut primary = AnnotationKind::Primary.span(inside(place));
                if !item.label.is_empty() {
                    primary = primary.label(item.label.as_str());
                }
                snippet = snippet.annotation(primary);
                for (place, words) in &item.context {
                    snippet =
                        snippet.annotation(AnnotationKind::Context.span(inside(place)).label(words.as_str()));
                }
                title.element(snippet)
            }
        };
        for note in &item.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        for help in &item.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group] as &[Group<'_>])
    }

    /// A range inside the text, on character boundaries, and on one line: a table that spans ten lines is pointed
    /// at by its first.
    fn visible(&self, place: &Place) -> Place {
        let floor = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(place.start);
        let end = floor(place.end.max(start));
        let line = self.text[start..end].find(['\n', '\r']).map_or(end, |at| start + at);
        start..line
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
impl std::error::Error for Diagnostics {}
