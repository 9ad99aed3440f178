//! The bare loop: the least that still deserves the name of W1. Knows arrivals, a queue and a batch per replica, one
//! heap event a step, and touches every running sequence in every step; has no cache, no routing but turns, no
//! network, no report. A floor to measure against, not a simulator.
//!
//! Its step takes 8.4 ms, 0.016 ms for each prompt token and 0.008 ms for each decoding sequence: chosen so that its
//! batches are as large as W1's, because then it takes as many steps.

use crate::rng::Key;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

const PROMPT: u32 = 512;
const OUTPUT: u32 = 128;
const BUDGET: u32 = 2_048;
const RATE_PER_REPLICA: f64 = 25.0;

/// What a run of it amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Done {
    /// Requests that ended.
    pub requests: u64,
    /// Steps.
    pub steps: u64,
    /// Sum over steps of sequences in the step.
    pub sequence_steps: u64,
    /// Mean time to first token, in milliseconds.
    pub mean_ttft_ms: f64,
    /// Mean time to the last token, in milliseconds.
    pub mean_e2e_ms: f64,
}

struct Sequence {
    sent_ns: u64,
    left: u32,
    context: u32,
}

#[derive(Default)]
struct Server {
    queue: VecDeque<u64>,
    running: Vec<Sequence>,
    stepping: bool,
}

/// Runs W1 over so many requests and replicas.
pub fn run(requests: u64, replicas: usize, seed: u64) -> Done {
    let mut stream = Key::root(seed).stream();
    let mean_ns = 1e9 / (RATE_PER_REPLICA * replicas as f64);
    let mut servers: Vec<Server> = (0..replicas).map(|_| Server::default()).collect();
    let mut heap: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut ttfts: Vec<u64> = Vec::with_capacity(requests as usize);
    let (mut done, mut sent, mut clock_ns, mut e2e_ns) = (Done::default(), 0u64, 0.0, 0u128);
    // Arrivals stand in the heap as the replica after the last.
    let arrival = replicas as u32;
    let mut gap = move || {
        clock_ns -= libm::log(stream.unit_open()) * mean_ns;
        clock_ns as u64
    };
    if requests > 0 {
        heap.push(Reverse((gap(), arrival)));
    }
    while let Some(Reverse((now, who))) = heap.pop() {
        let index = if who == arrival { (sent % replicas as u64) as usize } else { who as usize };
        let server = &mut servers[index];
        if who == arrival {
            sent += 1;
            server.queue.push_back(now);
            if sent < requests {
                heap.push(Reverse((gap(), arrival)));
            }
            if server.stepping {
                continue;
            }
        } else {
            // The step that ends now gave every sequence a token.
            server.running.retain_mut(|sequence| {
                if sequence.left == OUTPUT {
                    ttfts.push(now - sequence.sent_ns);
                }
                sequence.left -= 1;
                sequence.context += 1;
                if sequence.left == 0 {
                    done.requests += 1;
                    e2e_ns += u128::from(now - sequence.sent_ns);
                }
                sequence.left > 0
            });
        }
        let decoding = server.running.len() as u32;
        let mut prompt = 0;
        while prompt + PROMPT + decoding <= BUDGET
            && let Some(sent_ns) = server.queue.pop_front()
        {
            prompt += PROMPT;
            server.running.push(Sequence { sent_ns, left: OUTPUT, context: PROMPT });
        }
        server.stepping = !server.running.is_empty();
        if server.stepping {
            done.steps += 1;
            done.sequence_steps += server.running.len() as u64;
            let ns = 8_400_000 + u64::from(prompt) * 16_000 + u64::from(decoding) * 8_000;
            heap.push(Reverse((now + ns, index as u32)));
        }
    }
    let mean_ms = |sum: u128| if done.requests == 0 { 0.0 } else { sum as f64 / done.requests as f64 / 1e6 };
    done.mean_ttft_ms = mean_ms(ttfts.iter().map(|&ns| u128::from(ns)).sum());
    done.mean_e2e_ms = mean_ms(e2e_ns);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_alone_takes_its_steps() {
        // A step with the prompt, 8.4 + 512 × 0.016 = 16.592 ms, then 127 of 8.408 ms.
        let done = run(1, 1, 1);
        assert_eq!((done.requests, done.steps, done.sequence_steps), (1, 128, 128));
        assert!((done.mean_ttft_ms - 16.592).abs() < 1e-6, "{done:?}");
        assert!((done.mean_e2e_ms - (16.592 + 127.0 * 8.408)).abs() < 1e-6, "{done:?}");
    }

    #[test]
    fn every_request_gets_every_token() {
        let done = run(2_000, 4, 7);
        assert_eq!((done.requests, done.sequence_steps), (2_000, 2_000 * u64::from(OUTPUT)));
        assert_eq!(run(0, 1, 1), Done::default());
    }
}
