//! How wide text is, so that labels can be laid out without a font. Widths are those of DejaVu Sans, which is wider than
//! what most browsers show: what does not collide here does not collide there.

/// The usual size of words, pixels.
pub(crate) const SIZE: f64 = 12.0;

/// Widths of U+0020 to U+007E, thousandths of the size. From DejaVu Sans 2.37, table `hmtx`.
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636,
    636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295,
    295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838,
    500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521,
    392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// The width of a line of words, pixels. Letters beyond ASCII count as a wide one, ideographs as a full square.
pub(crate) fn width(words: &str, size: f64) -> f64 {
    let one = |c: char| match u32::from(c) {
        code @ 0x20..=0x7e => u32::from(WIDTHS[code as usize - 0x20]),
        0x00b7 => 318,
        code if code < 0x20 => 0,
        code if code < 0x2e80 => 800,
        _ => 1000,
    };
    f64::from(words.chars().map(one).sum::<u32>()) * size / 1000.0
}

/// The words, or as many of their first and last letters as fit into `room` pixels with `…` between them.
pub(crate) fn elide(words: &str, size: f64, room: f64) -> String {
    if width(words, size) <= room {
        return words.to_owned();
    }
    let letters: Vec<char> = words.chars().collect();
    for kept in (2..letters.len()).rev() {
        let (head, tail) = (kept - kept / 3, kept / 3);
        let short: String =
            letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect();
        if width(&short, size) <= room {
            return short;
        }
    }
    "…".to_owned()
}
