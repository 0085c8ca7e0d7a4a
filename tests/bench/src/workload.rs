//! What is written: "bulletin x20", one document of about 600 Chinese characters and 19 small changes to it. No real persons or events.

use accord_protocol::act::{Act, ActKind};
use accord_protocol::content::Edit;
use accord_protocol::id::Nonce;
use accord_protocol::time::WallSeconds;

/// Changes of one document: one founds it, the others are small.
pub const CHANGES: usize = 20;
/// Characters of the founding text.
const CHARS: usize = 600;

const WHEN: [&str; 6] = ["昨日凌晨二时许", "本月三日下午", "上周五夜间", "今晨六时前后", "近半个月以来", "节假日期间"];
const WHERE: [&str; 6] = ["城关镇东门市场", "县道十二公里处", "沿河路停车场", "老汽车站附近", "工业园北侧仓库", "中心小学门前路段"];
const WHAT: [&str; 6] = [
    "一辆电动自行车被盗，车锁遭液压钳剪断",
    "商户卷帘门被撬，柜台内现金缺失",
    "发现无号牌灰色面包车多次停留",
    "消防通道被货物堵塞，应急灯损坏",
    "路面护栏被撞毁，现场遗留保险杠碎片",
    "有人冒充检查人员索要整改押金",
];
const THEN: [&str; 6] = [
    "已调取公共视频并走访周边住户。",
    "痕迹已提取，比对结果待复核。",
    "请各协作单位核查同类警情并回复。",
    "已责令立即改正，三日后复查。",
    "经办席位继续跟进二手交易场所。",
    "建议加强夜间巡查并提示商户。",
];

/// Sentence `n`: its parts are drawn so that neighbours differ, the same in every run.
fn sentence(n: usize) -> String {
    // Knuth's multiplicative hash spreads small numbers.
    let draw = |salt: usize| (n * 4 + salt).wrapping_mul(2_654_435_761) >> 7;
    let part = |from: &[&'static str; 6], salt| from[draw(salt) % from.len()];
    format!("{}，{}{}。{}", part(&WHEN, 0), part(&WHERE, 1), part(&WHAT, 2), part(&THEN, 3))
}

/// The founding text of document `n`: its number, then sentences up to the length.
pub fn text(n: usize) -> String {
    let mut text = format!("第{n}号通报。");
    for at in 0.. {
        if text.chars().count() >= CHARS {
            break;
        }
        text.push_str(&sentence(n * 31 + at));
    }
    text.chars().take(CHARS).collect()
}

/// One entry of a thread, the size people type.
pub fn entry(n: usize) -> String {
    sentence(n * 7 + 3)
}

/// An act as a writer makes it.
pub fn act(n: usize, kind: ActKind, title: &str, text: &str) -> Act {
    let mut uuid = [0; 16];
    uuid[..8].copy_from_slice(&(n as u64).to_be_bytes());
    Act {
        title: title.to_owned(),
        text: text.to_owned(),
        seat: "liaison".to_owned(),
        ..Act::new(Nonce(uuid), kind, WallSeconds(1_900_000_000 + n as u64))
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
        let body = |n: usize| text(n).chars().skip(10).collect::<String>();
        assert_ne!(body(1), body(2), "not only in their number");
        assert_ne!(entry(1), entry(2));
    }
}
