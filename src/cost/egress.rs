//! Bytes that leave a place: how many a token makes, and what they cost on each link.

use super::MicroUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the internet where links are named; no region can be called so in a link.
pub const INTERNET: &str = "internet";
/// Bytes of a token's text: four characters of English, as tokenisers of 100,000 entries and more reach (our choice).
pub const TEXT_BYTES_PER_TOKEN: u32 = 4;
/// Bytes around the text of a streamed token: one event a token, as vLLM's chat completions send it, `data: `, the JSON of
/// `ChatCompletionStreamResponse` and two line ends, with a model's name of 33 letters and no text: 257.
pub const FRAMING_BYTES_PER_TOKEN: u32 = 257;
/// 10⁹ bytes, what prices are for (our choice: bills that count 2³⁰ are 7 % less).
const GB: u128 = 1_000_000_000;

/// What bytes cost, and how many there are of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EgressRates {
    /// Of a token's text, in prompts and answers.
    pub text_bytes_per_token: u32,
    /// Around the text of each streamed token of an answer.
    pub framing_bytes_per_token: u32,
    /// By link. A link that is not here has no known price.
    pub links: Vec<LinkPrice>,
}

/// What bytes from one region to another or to the internet cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkPrice {
    /// The region they leave.
    pub from: String,
    /// Another region, or `internet`.
    pub to: String,
    /// Millionths of a US dollar for 10⁹ bytes.
    pub micro_usd_per_gb: u64,
    /// Where that is from: a row of the catalogue with its date, or the scenario.
    pub source: String,
}

impl EgressRates {
    /// Bytes of prompts of so many tokens.
    pub fn prompt_bytes(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(u64::from(self.text_bytes_per_token))
    }
    /// Bytes of streamed answers of so many tokens.
    pub fn answer_bytes(&self, tokens: u64) -> u64 {
        let each = u64::from(self.text_bytes_per_token) + u64::from(self.framing_bytes_per_token);
        tokens.saturating_mul(each)
    }
    /// The price of 10⁹ bytes on a link; what comes in from the internet is free.
    pub fn per_gb(&self, from: &str, to: &str) -> Option<MicroUsd> {
        if from == INTERNET {
            return Some(MicroUsd(0));
        }
        let link = self.links.iter().find(|link| link.from == from && link.to == to);
        link.map(|link| MicroUsd(link.micro_usd_per_gb))
    }
}

impl MicroUsd {
    /// What bytes cost at this price of 10⁹, rounded to the nearest millionth.
    pub fn for_bytes(self, bytes: u64) -> MicroUsd {
        MicroUsd(((u128::from(self.0) * u128::from(bytes) + GB / 2) / GB) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_text_is_as_long_as_said() {
        // vLLM: `f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n"`.
        let event = "data: {\"id\":\"chatcmpl-0123456789abcdef0123456789abcdef\",\"object\":\"chat.completion.chunk\",\
                     \"created\":1700000000,\"model\":\"meta-llama/Llama-3.1-70B-Instruct\",\"choices\":[{\"index\":0,\
                     \"delta\":{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null,\"token_ids\":null}]}\n\n";
        assert_eq!(event.len(), FRAMING_BYTES_PER_TOKEN as usize);
    }

    #[test]
    fn bytes_and_their_price_by_hand() {
        let link = |to: &str, micro_usd_per_gb| LinkPrice {
            from: "us".into(),
            to: to.into(),
            micro_usd_per_gb,
            source: String::new(),
        };
        let rates = EgressRates {
            text_bytes_per_token: 4,
            framing_bytes_per_token: 96,
            links: vec![link("eu", 20_000), link(INTERNET, 90_000)],
        };
        // 500 tokens streamed: 50,000 bytes; a million such answers are 50 GB, 4.50 dollars to the internet.
        assert_eq!((rates.prompt_bytes(500), rates.answer_bytes(500)), (2_000, 50_000));
        assert_eq!(rates.per_gb("us", INTERNET).unwrap().for_bytes(50_000_000_000).usd(), 4.5);
        assert_eq!(
            rates.per_gb("us", "eu").unwrap().for_bytes(25_000),
            MicroUsd(1),
            "half a millionth is one"
        );
        assert_eq!(rates.per_gb("us", "eu").unwrap().for_bytes(24_999), MicroUsd(0));
        assert_eq!((rates.per_gb("eu", "us"), rates.per_gb(INTERNET, "eu")), (None, Some(MicroUsd(0))));
    }
}
