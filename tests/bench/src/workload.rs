//! What is written: "bulletin x20", one document of about 600 Chinese characters and 19 small changes to it. No real persons or events.

use accord_protocol::act::{Act, ActKind};
use accord_protocol::content::Edit;
use accord_protocol::id::Nonce;
use accord_protocol::time::WallSeconds;

/// Changes of one document: one founds it, the others are small.
pub const CHANGES: usize = 20;
/// Characters of the founding text.
const CHARS: usize = 600;

const SENTENCES: [&str; 4] = [
    "近日辖区内连续发生多起电动自行车被盗案件，作案时间集中在凌晨二时至五时。",
    "经走访沿线商户并调取公共视频，发现一辆无号牌灰色面包车多次在现场附近停留。",
    "请各协作单位留意同类警情，核查二手交易场所，发现线索及时回复本通报。",
    "涉案车辆左后门有明显凹痕，车厢内加装货架，行驶方向为县道往北。",
];

/// The founding text of document `n`: its number, then sentences up to the length.
pub fn text(n: usize) -> String {
    let start = format!("第{n}号通报。");
    start.chars().chain(SENTENCES.iter().cycle().skip(n % SENTENCES.len()).flat_map(|s| s.chars())).take(CHARS).collect()
}

/// One entry of a thread, the size people type.
pub fn entry(n: usize) -> String {
    format!("第{n}次走访：商户反映凌晨三时许听到卷帘门响动，已调取监控。")
}

/// An act as a writer makes it.
pub fn act(n: usize, kind: ActKind, title: &str, text: &str) -> Act {
    let mut uuid = [0; 16];
    uuid[..8].copy_from_slice(&(n as u64).to_be_bytes());
    Act {
        uuid: Nonce(uuid),
        kind,
        title: title.to_owned(),
        text: text.to_owned(),
        subkind: String::new(),
        case_number: None,
        signed_at: WallSeconds(1_900_000_000 + n as u64),
        seat: "liaison".to_owned(),
        approval: None,
    }
}

/// The small edits of change `n` (from 1) to a text of `length` characters: six characters put in, four replaced, a state noted, a line added.
pub fn edits(n: usize, length: usize) -> Vec<Edit> {
    let at = n * 37 % length.saturating_sub(8).max(1);
    match n % 4 {
        0 => vec![Edit::Insert { at, text: "补充核查情况".to_owned() }],
        1 => vec![Edit::Delete { at, len: 4 }, Edit::Insert { at, text: "灰色轿车".to_owned() }],
        2 => vec![Edit::Act(act(n, ActKind::Note, "", "状态：核查中").to_bytes())],
        _ => vec![Edit::Insert { at: length, text: "\n新增一条线索待核实。".to_owned() }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_differ() {
        assert_eq!(text(3).chars().count(), CHARS);
        assert_ne!(text(1), text(5), "also where the sentences begin alike");
    }
}
