//! Aligned columns of plain text, for listings.

/// Lays out rows under a head; columns of which every cell is a number stand right, the others left.
pub fn render(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let number = |column: usize| {
        let mut cells =
            rows.iter().filter_map(|row| row.get(column)).filter(|cell| !matches!(cell.as_str(), "" | "-"));
        cells.all(|cell| cell.parse::<f64>().is_ok())
    };
    let columns: Vec<(usize, bool)> = (0..head.len()).map(|column| (width(column), number(column))).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&columns).map(|(cell, &(width, right))| {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            if right { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string() + "\n"
    };
    let mut out = line(&mut head.iter().copied());
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_stand_right_and_words_left() {
        let row = |cells: [&str; 3]| cells.map(str::to_string).to_vec();
        let rows = [row(["a", "1.5", "x"]), row(["long", "200", ""]), row(["b", "-", "y"])];
        assert_eq!(
            super::render(&["name", "n", "word"], &rows),
            "name    n  word\na     1.5  x\nlong  200\nb       -  y\n"
        );
    }
}
