//! Which idle block goes first. One rule a file; a rule knows the order in which blocks became idle and nothing of
//! what they hold.

pub mod lru;

pub use lru::Lru;

/// The order among idle blocks, those that nobody refers to. Blocks are indices below the capacity.
pub trait Eviction {
    /// A rule for `blocks` blocks, none of them idle.
    fn with_blocks(blocks: u32) -> Self;
    /// The block has become idle.
    fn push(&mut self, block: u32);
    /// The block is wanted again and no longer idle.
    fn remove(&mut self, block: u32);
    /// Takes the block that goes first.
    fn pop(&mut self) -> Option<u32>;
    /// How many blocks are idle.
    fn len(&self) -> u32;
    /// Whether no block is idle.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
