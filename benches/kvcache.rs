//! What one request costs a KV cache, by the length of its prompt: looked up, taken, grown, published and given
//! back. `found`: the fortieth turn of a session, 12 other sessions between two turns, all of it found but its last
//! block. `evicting`: the first turn of a new session in a full pool, which evicts as much as it stores.

use divan::{Bencher, black_box, counter::ItemsCount};
use regionsim::kvcache::{BlockCache, ExtentCache, KvCache, Lru};
use regionsim::time::SimTime;
use regionsim::workload::{Chain, Run};

const TURNS: u32 = 40;
const SESSIONS: u64 = 13;
/// Tokens 16 to a block: 512 and 32,768.
const PROMPT_BLOCKS: [u32; 2] = [32, 2_048];

fn main() {
    divan::main();
}

/// The session's prompt and output at one turn: a system prompt of 8 blocks, then its history.
fn turn(chain: &mut Chain, session: u64, blocks: u32) {
    chain.clear();
    chain.push(Run { key: 1, start: 0, len: 8 });
    chain.push(Run { key: 100 + session, start: 0, len: blocks - 8 });
}

fn serve<C: KvCache>(cache: &mut C, table: &mut C::Table, now: &mut u64, chain: &Chain, limit: u32) -> u32 {
    *now += 1;
    let (found, _) = cache.matched(chain, limit).expect("nothing is open");
    cache.attach(table, chain, found);
    assert!(cache.grow(SimTime(*now), table, chain.blocks()));
    cache.publish(SimTime(*now), table, chain, chain.blocks()).expect("nothing is open");
    cache.release(table);
    found
}

/// `room` is how many of the sessions fit, in percent.
fn last_turns<C: KvCache>(bencher: Bencher<'_, '_>, blocks: u32, room: u32) {
    let capacity = (SESSIONS as u32 * (blocks + 1_000) / 100) * room;
    let mut cache = C::new(capacity, true);
    let (mut table, mut chain, mut now) = (C::Table::default(), Chain::new(), 0);
    for at in 1..=TURNS {
        for session in 0..SESSIONS {
            turn(&mut chain, session, (blocks * at / TURNS).max(9));
            let limit = chain.blocks();
            serve(&mut cache, &mut table, &mut now, &chain, limit);
        }
    }
    let mut session = 0;
    let mut fresh = 1_000;
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        session = (session + 1) % SESSIONS;
        if room < 100 {
            // Sessions that come and go: as many blocks are evicted as are stored.
            fresh += 1;
            turn(&mut chain, fresh, blocks);
        } else {
            turn(&mut chain, session, blocks);
        }
        black_box(serve(&mut cache, &mut table, &mut now, &chain, blocks - 1))
    });
}

#[divan::bench(args = PROMPT_BLOCKS)]
fn found_single_blocks(bencher: Bencher<'_, '_>, blocks: u32) {
    last_turns::<BlockCache<Lru>>(bencher, blocks, 200);
}
#[divan::bench(args = PROMPT_BLOCKS)]
fn found_extents(bencher: Bencher<'_, '_>, blocks: u32) {
    last_turns::<ExtentCache>(bencher, blocks, 200);
}
#[divan::bench(args = PROMPT_BLOCKS)]
fn evicting_single_blocks(bencher: Bencher<'_, '_>, blocks: u32) {
    last_turns::<BlockCache<Lru>>(bencher, blocks, 50);
}
#[divan::bench(args = PROMPT_BLOCKS)]
fn evicting_extents(bencher: Bencher<'_, '_>, blocks: u32) {
    last_turns::<ExtentCache>(bencher, blocks, 50);
}
