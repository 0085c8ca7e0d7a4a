//! Lists of documents, page by page.

use accord_protocol::input::{Command, Draft, Page};
use accord_protocol::limits;
use accord_protocol::view::View;

use crate::county::{County, usual};

#[test]
fn a_list_is_told_page_by_page_and_a_page_looks_at_no_more_than_its_share() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    county.pass(60);
    county.link(0, 1, false);
    let cases: Vec<String> = (0..7).map(|n| county.open_case(0, &[1], &n.to_string(), "text")).collect();
    let page = |county: &mut County, before, limit| {
        let View::Documents { documents, next } = county.ask(0, Command::CaseList(Page { before, limit })) else { panic!("a list") };
        (documents.into_iter().map(|line| line.title).collect::<Vec<_>>().concat(), next)
    };
    assert_eq!(page(&mut county, None, None), ("6543210".into(), None), "a list of one page names no other");
    let (first, next) = page(&mut county, None, Some(3));
    assert_eq!((first.as_str(), next.is_some()), ("654", true));
    // What changes meanwhile stands before the first page; the others stay where they are.
    county.note(0, &cases[1], "more");
    let (second, next) = page(&mut county, next, Some(3));
    assert_eq!((second.as_str(), next.is_some()), ("320", false), "the last page names none");
    assert_eq!(page(&mut county, None, Some(2)).0, "16");
    assert_eq!(page(&mut county, None, Some(0)).0, "1", "no page is empty because somebody asked for none");
    assert_eq!(page(&mut county, Some(0), Some(9)), (String::new(), None));
    // Drafts are no cases: a page that met nothing else says where to go on.
    let draft = |n: usize| Draft { title: n.to_string(), text: "text".into(), category: "CRIM.SERIES".into(), ..Draft::default() };
    for n in 0..=limits::LIST_LOOK_MAX {
        county.ask(0, Command::BulletinNew(draft(n)));
    }
    let (none, next) = page(&mut county, None, None);
    assert!(none.is_empty() && next.is_some());
    assert_eq!(page(&mut county, next, None), ("1654320".into(), None));
    assert_eq!(page(&mut county, None, Some(usize::MAX)).0, "");
}
