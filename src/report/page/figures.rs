//! The plots, as they were drawn.

use super::model::{Block, Section};
use crate::report::figure::Figure;

pub(super) fn section(figures: &[Figure]) -> Option<Section> {
    let block = |figure: &Figure| Block::Figure {
        id: figure.id.clone(),
        title: figure.title.clone(),
        caption: figure.caption.clone(),
        svg: figure.svg.clone(),
    };
    let blocks: Vec<Block> = figures.iter().map(block).collect();
    (!blocks.is_empty()).then(|| Section { id: "plots", title: "Plots".to_owned(), blocks })
}
