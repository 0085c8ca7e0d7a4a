use accord_protocol::view::{
    AgreementView, AnnexView, ArticleView, AskView, AttestedView, DeliveryView, EffectsView, ExplainView, FileView, FilesView, FlowView,
    GrantView, GroundView, HeldDocumentView, HolderView, LineChangeView, NodeAddress, OnwardView, PendingView, ReceiverView, RecordView,
    ResponseView, SealView, StopView, TermsDiffView, WaitView, WayView,
};

use super::*;
use crate::failure::Failure;
use crate::words::Lang;

const ID: &str = "7c1e0a11c0ffee00000000000000000000000000000000000000000000000000";
/// 2026-12-01 00:00 +08:00.
const AT: u64 = 1_796_054_400;

/// The whole text of a view in both languages, Chinese first.
fn check(found: &View, zh: &str, en: &str) {
    for (lang, expect) in [(Lang::Zh, zh), (Lang::En, en)] {
        let text = view(found, &Words::of(lang));
        let expect: String = expect.lines().map(|line| format!("{}\n", line.strip_prefix('|').unwrap_or(line))).collect();
        assert_eq!(text, expect, "\n{text}");
    }
}

fn partner_view() -> PartnerView {
    PartnerView {
        bureau: ID.into(),
        name: "北岭县公安局".into(),
        connected: true,
        standing: "in_force".into(),
        agreement: ID.into(),
        agreement_ends: AT,
        last_contact: AT,
        behind: 2,
        checking_code: "12345 23456 34567 45678 56789 67890 78901 89012 90123 01234 11111 22222".into(),
        phone: "110".into(),
        nodes: vec![NodeAddress { transport: ID.into(), addresses: vec!["10.0.0.1:4600".into()] }],
        ..PartnerView::default()
    }
}

fn document_line() -> DocumentLine {
    DocumentLine {
        id: ID.into(),
        number: "临公通〔2026〕12号".into(),
        kind: "bulletin".into(),
        subkind: "series".into(),
        category: "CRIM.SERIES".into(),
        tlp: "AMBER+STRICT".into(),
        title: "电动车被盗".into(),
        owner: ID.into(),
        owner_name: "临溪县公安局".into(),
        created: AT,
        changes: 3,
        settled: 3,
        adopted: true,
        held: 0,
        sequence: 9,
        locked: false,
    }
}

#[test]
fn a_partner_list_is_a_table_and_one_partner_a_page() {
    let two =
        View::Partners { partners: vec![partner_view(), PartnerView { alias: "lake".into(), checked: true, ..PartnerView::default() }] };
    check(
        &two,
        "|协作单位      标识      连接    协议    有效至            待送达  最近联系          备注\n\
         |北岭县公安局  7c1e0a11  已连接  生效中  2026-12-01 00:00  2       2026-12-01 00:00  未核对\n\
         |lake                    未连接          –                 0       –",
        "|PARTNER       ID        LINK           AGREEMENT  UNTIL             BEHIND  LAST CONTACT      REMARKS\n\
         |北岭县公安局  7c1e0a11  connected      in force   2026-12-01 00:00  2       2026-12-01 00:00  not checked\n\
         |lake                    not connected             –                 0       –",
    );
    let one = View::Partners { partners: vec![partner_view()] };
    assert_eq!(list(&one, &Words::of(Lang::En)).lines().count(), 2, "a list is a table, also of one");
    check(
        &one,
        "|北岭县公安局（7c1e0a11）\n|连接：已连接，最近联系 2026-12-01 00:00，待送达 2 件\n|协议：生效中，7c1e0a11，有效至 2026-12-01 00:00\n|值班电话：110\n\
         |节点 7c1e0a11：10.0.0.1:4600\n|核对码（尚未核对，请拨打您自己通讯录中的电话逐组核对）：\n\
         |    12345  23456  34567  45678\n|    56789  67890  78901  89012\n|    90123  01234  11111  22222",
        "|北岭县公安局 (7c1e0a11)\n|Link: connected, last contact 2026-12-01 00:00, 2 behind\n|Agreement: in force, 7c1e0a11, until 2026-12-01 00:00\n|Duty phone: 110\n\
         |Node 7c1e0a11: 10.0.0.1:4600\n|Checking code (not compared yet: call a number from your own directory):\n\
         |    12345  23456  34567  45678\n|    56789  67890  78901  89012\n|    90123  01234  11111  22222",
    );
}

#[test]
fn an_agreement_shows_each_clause_as_a_sentence() {
    let grant = |direction: &str, until| GrantView {
        direction: direction.into(),
        category: "FIRE.HAZ".into(),
        verbs: vec!["read".into()],
        tlp_ceiling: "GREEN".into(),
        until,
        ..GrantView::default()
    };
    let found = AgreementView {
        id: ID.into(),
        version: 1,
        partner: ID.into(),
        partner_name: "云湖".into(),
        standing: "offered_to_us".into(),
        title: "协作协议".into(),
        from: AT,
        to: AT + 86_400,
        offer_expires: AT,
        grants: vec![grant("we_give", 0), grant("they_give", AT)],
        reason: String::new(),
        ..AgreementView::default()
    };
    check(
        &View::Agreements { agreements: vec![found] },
        "|协议《协作协议》，7c1e0a11，第 1 版，与 云湖\n|对方已提请，待我方签署，自 2026-12-01 00:00 至 2026-12-02 00:00\n|提请有效至 2026-12-01 00:00\n\
         |  我方给 云湖：FIRE.HAZ 消防安全隐患，阅读，最高 TLP:GREEN 协作体内，至 2026-12-02 00:00\n\
         |  云湖 给我方：FIRE.HAZ 消防安全隐患，阅读，最高 TLP:GREEN 协作体内，至 2026-12-01 00:00",
        "|Agreement 协作协议, 7c1e0a11, version 1, with 云湖\n|offered to us, waiting for our answer, from 2026-12-01 00:00 until 2026-12-02 00:00\n\
         |The offer is open until 2026-12-01 00:00\n\
         |  We give 云湖: FIRE.HAZ fire hazard, read, up to TLP:GREEN, until 2026-12-02 00:00\n\
         |  云湖 gives us: FIRE.HAZ fire hazard, read, up to TLP:GREEN, until 2026-12-01 00:00",
    );
}

#[test]
fn effects_say_when_what_stops_and_what_the_other_side_must_do() {
    let stop = StopView {
        id: ID.into(),
        kind: "suspension".into(),
        by: "theirs".into(),
        categories: vec!["TRAF".into()],
        reason: "核查".into(),
        at: AT,
        ends: 0,
    };
    let found = EffectsView {
        act: "resume".into(),
        partner_name: "云湖".into(),
        at: AT,
        needs_partner: true,
        standing_before: "suspended".into(),
        standing_after: "in_force".into(),
        link_before: "restricted".into(),
        link_after: "full".into(),
        lifts: vec![stop],
        flows: vec![FlowView {
            direction: "we_give".into(),
            category: "TRAF".into(),
            before: vec![],
            after: vec!["read".into()],
            start: 3,
            stop: 0,
        }],
        terms: Some(TermsDiffView { before: ID.into(), after: ID.into(), ..TermsDiffView::default() }),
        ..EffectsView::default()
    };
    check(
        &View::Effects(found),
        "|对 云湖，双方签署后：\n|云湖 签署之前不发生变化。\n|状态：已中止 → 生效中\n|连接恢复传送文件。\n|随之恢复：\n\
         |  云湖 于 2026-12-01 00:00 中止：TRAF 交通肇事。理由：核查（7c1e0a11）\n\
         |方向      业务类别       现在  之后  开始  停止\n|我方提供  TRAF 交通肇事  无    阅读  3     0\n\
         |从 7c1e0a11 到 7c1e0a11：\n|没有差别。",
        "|Towards 云湖, once both have sealed:\n|Nothing changes before 云湖 has sealed it too.\n|Standing: suspended → in force\n\
         |The link carries documents again.\n|Lifted by it:\n\
         |  Suspended by 云湖 on 2026-12-01 00:00: TRAF traffic. Reason: 核查 (7c1e0a11)\n\
         |DIRECTION  CATEGORY      NOW   THEN  START  STOP\n|we give    TRAF traffic  none  read  3      0\n\
         |From 7c1e0a11 to 7c1e0a11:\n|Nothing differs.",
    );
}

#[test]
fn a_difference_names_direction_category_and_both_sides_of_it() {
    let grant = |verbs: &[&str]| GrantView {
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        tlp_ceiling: "AMBER".into(),
        units: vec!["二中队".into()],
        ..GrantView::default()
    };
    let found = TermsDiffView {
        before: ID.into(),
        after: ID.into(),
        to: Some((AT, AT + 86_400)),
        lines: vec![LineChangeView {
            direction: "they_give".into(),
            category: "TRAF".into(),
            change: "widened".into(),
            before: Some(grant(&["read"])),
            after: Some(grant(&["append"])),
        }],
        annex: vec!["notice_days".into(), "excluded".into()],
        ..TermsDiffView::default()
    };
    check(
        &View::TermsDiff(found),
        "|从 7c1e0a11 到 7c1e0a11：\n|届满：2026-12-01 00:00 → 2026-12-02 00:00\n|对方 提供 TRAF 交通肇事：扩大\n\
         |  - 阅读; TLP:AMBER 本单位及所属; 单位 二中队\n|  + 添加内容; TLP:AMBER 本单位及所属; 单位 二中队\n|附则：通知期限, 除外类别",
        "|From 7c1e0a11 to 7c1e0a11:\n|Ends: 2026-12-01 00:00 → 2026-12-02 00:00\n|the other side gives TRAF traffic: wider\n\
         |  - read; TLP:AMBER; units 二中队\n|  + append; TLP:AMBER; units 二中队\n|Annex: notice, excluded categories",
    );
}

#[test]
fn the_page_of_an_agreement_holds_everything_that_was_sealed() {
    let found = AgreementView {
        id: ID.into(),
        version: 2,
        partner_name: "云湖".into(),
        standing: "in_force".into(),
        title: "协作\u{1b}[31m协议".into(),
        from: AT,
        to: AT + 86_400,
        grace_days: 30,
        grants: vec![GrantView {
            direction: "we_give".into(),
            category: "TRAF".into(),
            verbs: vec!["read".into()],
            tlp_ceiling: "AMBER".into(),
            offline_days_max: 7,
            ..GrantView::default()
        }],
        annex: AnnexView {
            number: "示例 7 号".into(),
            notice_days: 60,
            our_head: "甲".into(),
            their_head: "乙".into(),
            responses: vec![ResponseView { urgency: "flash".into(), sign_minutes: 15, answer_minutes: 2_880 }],
            articles: vec![ArticleView { title: "争议".into(), text: "先协商。\n再报。".into() }],
            ..AnnexView::default()
        },
        seals: vec![SealView { side: "ours".into(), what: "offered".into(), seats: vec![], certificate: ID.into(), at: AT }],
        ..AgreementView::default()
    };
    for (lang, wanted) in [
        (
            Lang::En,
            [
                "Number: 示例 7 号",
                "Heads: 甲 – 乙",
                "flash: signed for within 15 min, answered within 2 days",
                "offline at most 7 days",
                "Nothing.",
                "再报。",
                "北岭: offered on 2026-12-01 00:00",
            ],
        ),
        (
            Lang::Zh,
            [
                "文号：示例 7 号",
                "负责人：甲 – 乙",
                "特提：15 分钟内签收，2 天内答复",
                "离线最多 7 天",
                "无。",
                "再报。",
                "北岭：2026-12-01 00:00 提请",
            ],
        ),
    ] {
        let page = agreement_page(&found, "北岭", &Words::of(lang));
        for part in wanted {
            assert!(page.contains(part), "{part} is missing from\n{page}");
        }
        assert!(!page.contains('\u{1b}'), "a title cannot steer the terminal");
    }
}

#[test]
fn a_document_shows_what_it_is_before_what_it_says() {
    let found = DocumentView {
        line: document_line(),
        text: "第一行\n第二行\n".into(),
        entries: vec![EntryView {
            kind: "note".into(),
            text: "已核实".into(),
            signed_at: AT,
            bureau_name: "北岭".into(),
            seats: vec!["liaison".into()],
            ..EntryView::default()
        }],
        deliveries: vec![DeliveryView { bureau: ID.into(), name: "北岭".into(), delivered: true }],
        ..DocumentView::default()
    };
    check(
        &View::Document(found),
        "|电动车被盗\n|通报 · 串并征集 临公通〔2026〕12号（7c1e0a11），临溪县公安局，2026-12-01 00:00\n|类别 CRIM.SERIES 系列流窜案件，传播等级 TLP:AMBER+STRICT 仅承办部门\n\
         |已定案，改动 3 条，其中已定案 3 条\n|\n|第一行\n|第二行\n|\n|—— 记录 · 北岭 · liaison · 2026-12-01 00:00 · 未定案\n|已核实\n|\n|北岭：已送达",
        "|电动车被盗\n|bulletin · series 临公通〔2026〕12号 (7c1e0a11), 临溪县公安局, 2026-12-01 00:00\n|Category CRIM.SERIES serial crime, TLP:AMBER+STRICT\n\
         |settled, 3 changes, 3 of them settled\n|\n|第一行\n|第二行\n|\n|-- note · 北岭 · liaison · 2026-12-01 00:00 · provisional\n|已核实\n|\n|北岭: delivered",
    );
}

#[test]
fn lists_of_documents_officers_and_devices_are_tables() {
    check(
        &View::Documents { documents: vec![document_line()], next: None },
        "|标识      编号                种类             标题        所有单位      传播等级      创建              状态\n\
         |7c1e0a11  临公通〔2026〕12号  通报 · 串并征集  电动车被盗  临溪县公安局  AMBER+STRICT  2026-12-01 00:00  已定案",
        "|ID        NUMBER              KIND               TITLE       OWNER         TLP           CREATED           STATE\n\
         |7c1e0a11  临公通〔2026〕12号  bulletin · series  电动车被盗  临溪县公安局  AMBER+STRICT  2026-12-01 00:00  settled",
    );
    let officer = OfficerView {
        name: "李".into(),
        seats: vec!["liaison".into()],
        capabilities: vec!["publish".into()],
        certificate: ID.into(),
        certificate_ends: AT,
        certificates: vec![ID.into()],
        logged_in: true,
        state: "good".into(),
    };
    check(
        &View::Officers { officers: vec![officer.clone()] },
        "|姓名  席位     权限          状态  有效至            已登录\n|李    liaison  发布 publish  正常  2026-12-01 00:00  是",
        "|NAME  SEATS    MAY      STATE  UNTIL             LOGGED IN\n|李    liaison  publish  good   2026-12-01 00:00  yes",
    );
    check(
        &View::WhoAmI { officers: vec![officer] },
        "|李，席位 liaison，权限 发布 publish，证书 7c1e0a11 有效至 2026-12-01 00:00",
        "|李, seats liaison, may publish, certificate 7c1e0a11 until 2026-12-01 00:00",
    );
    let device = DeviceView { certificate: ID.into(), kind: "laptop".into(), ends: AT, state: "good".into(), ..DeviceView::default() };
    check(
        &View::Devices { devices: vec![device] },
        "|标识      种类        状态  有效至            连接\n|7c1e0a11  外勤笔记本  正常  2026-12-01 00:00  未连接",
        "|ID        KIND    STATE  UNTIL             LINK\n|7c1e0a11  laptop  good   2026-12-01 00:00  not connected",
    );
}

#[test]
fn a_dry_run_says_who_will_receive_and_who_will_not_and_why() {
    let receiver = |name: &str, will, why: &str| ReceiverView {
        bureau: ID.into(),
        name: name.into(),
        will_receive: will,
        why: why.into(),
        clause: "7c1e0a11#2".into(),
        by: String::new(),
    };
    let found = SendingView {
        dry_run: true,
        receivers: vec![receiver("北岭", true, "ok"), receiver("云湖", false, "no_agreement")],
        visible_entries: 4,
        ..SendingView::default()
    };
    check(
        &View::Sending(found.clone()),
        "|将送达 1 家：\n|  北岭：依据 7c1e0a11#2\n|  云湖：不送达。没有生效的协议\n|新加入者将看到已有内容 4 条。",
        "|1 will receive it:\n|  北岭: under 7c1e0a11#2\n|  云湖: will not receive it. no agreement in force\n|A newcomer will see 4 existing entries.",
    );
    let done = SendingView { id: ID.into(), number: "临-1".into(), dry_run: false, ..SendingView::default() };
    check(&View::Sending(done), "|编号 临-1（7c1e0a11）", "|Number 临-1 (7c1e0a11)");
}

#[test]
fn access_names_holders_and_records() {
    let found = AccessView {
        document: ID.into(),
        owner: ID.into(),
        owner_name: "临溪".into(),
        holders: vec![HolderView {
            bureau: ID.into(),
            name: "北岭".into(),
            verb: "append".into(),
            record: ID.into(),
            since: AT,
            agreement: ID.into(),
            egress: "now".into(),
            ..HolderView::default()
        }],
        records: vec![RecordView { id: ID.into(), index: 1, kind: "adopt".into(), at: AT, words: "x".into(), attested: None }],
    };
    check(
        &View::Access(found),
        "|文档 7c1e0a11，所有单位 临溪\n|协作单位  权限      自                依据协议  目前可送出\n|北岭      添加内容  2026-12-01 00:00  7c1e0a11  可以\n|\n\
         |序号  记录  时间              内容\n|1     确认  2026-12-01 00:00  x",
        "|Document 7c1e0a11, owner 临溪\n|PARTNER  VERB    SINCE             AGREEMENT  GOES OUT NOW\n|北岭     append  2026-12-01 00:00  7c1e0a11   yes\n|\n\
         |NO.  RECORD  TIME              WORDS\n|1    adopt   2026-12-01 00:00  x",
    );
}

#[test]
fn files_are_listed_with_what_is_here_and_who_said_that_it_erased_them() {
    let file = |state: &str| FileView {
        id: ID.into(),
        name: "现场\u{202e}照片.jpg".into(),
        size: 3_000_000,
        here: 2,
        parts: 24,
        state: state.into(),
        bureau_name: "北岭".into(),
        signed_at: AT,
        ..FileView::default()
    };
    let attested = AttestedView { attested: 1, of: 2, waits: vec!["云湖".into()] };
    let erased =
        FileView { name: String::new(), size: 0, erased_at: AT, erased_by: "李".into(), attested: Some(attested), ..file("erased") };
    let files = FilesView { document: ID.into(), number: "案〔2026〕7号".into(), files: vec![file("here"), file("coming"), erased] };
    check(
        &View::Files(files),
        "|案〔2026〕7号 的附件\n|标识      附件           大小    状态           来自  时间\n|7c1e0a11  现场\u{fffd}照片.jpg  3.0 MB  已到本机       北岭  2026-12-01 00:00\n\
         |7c1e0a11  现场\u{fffd}照片.jpg  3.0 MB  尚未到齐 2/24  北岭  2026-12-01 00:00\n|7c1e0a11  –              –       已抹除         北岭  2026-12-01 00:00\n\
         |7c1e0a11：本机于 2026-12-01 00:00 抹除，批示人 李。已有 1/2 家单位声明落实。尚待：云湖。",
        "|Files of 案〔2026〕7号\n|ID        FILE           SIZE    STATE              FROM  TIME\n|7c1e0a11  现场\u{fffd}照片.jpg  3.0 MB  here               北岭  2026-12-01 00:00\n\
         |7c1e0a11  现场\u{fffd}照片.jpg  3.0 MB  not yet here 2/24  北岭  2026-12-01 00:00\n|7c1e0a11  –              –       erased             北岭  2026-12-01 00:00\n\
         |7c1e0a11: erased here 2026-12-01 00:00, by order of 李. Attested by 1 of 2. Waiting for: 云湖.",
    );
    check(
        &View::Files(FilesView { document: ID.into(), ..FilesView::default() }),
        "|7c1e0a11 的附件\n|没有附件；添加：accord file add 文档 文件",
        "|Files of 7c1e0a11\n|No files; attach one: `accord file add DOC FILE`",
    );
}

#[test]
fn the_inbox_names_the_next_command() {
    let item = InboxItem { kind: "offer".into(), id: ID.into(), title: "协作协议".into(), from: "北岭".into(), since: AT };
    check(
        &View::Inbox { items: vec![item] },
        "|种类      标识      标题      来自  自                下一步\n|协议提请  7c1e0a11  协作协议  北岭  2026-12-01 00:00  accord agreement accept 7c1e0a11",
        "|KIND    ID        TITLE     FROM  SINCE             NEXT STEP\n|offers  7c1e0a11  协作协议  北岭  2026-12-01 00:00  accord agreement accept 7c1e0a11",
    );
    check(&View::Inbox { items: vec![] }, "|没有需要您处理的事项。", "|Nothing waits for you.");
}

#[test]
fn short_answers_are_single_lines() {
    check(&View::Done { id: None }, "|已完成。", "|Done.");
    check(&View::Done { id: Some(ID.into()) }, "|已完成：7c1e0a11", "|Done: 7c1e0a11");
    check(
        &View::WhoAmI { officers: vec![] },
        "|无人登录。签署、发布和授权须先执行 `accord login`。",
        "|Nobody is logged in. Sealing, publishing and granting need `accord login` first.",
    );
    check(&View::Statements { statements: vec!["d2".into()] }, "|d2", "|d2");
    let event = EventView { position: 7, at: AT, kind: "delivered".into(), document: ID.into(), bureau: ID.into(), detail: String::new() };
    check(
        &View::Events { events: vec![event] },
        "|7 2026-12-01 00:00 已送达 7c1e0a11 7c1e0a11",
        "|7 2026-12-01 00:00 delivered 7c1e0a11 7c1e0a11",
    );
    check(&View::Events { events: vec![] }, "|没有更新的事件。", "|No newer events.");
    let card = CardView {
        bureau: ID.into(),
        name: "临溪".into(),
        checking_code: "12345 23456".into(),
        addresses: vec!["10.0.0.1:4600".into()],
        phone: String::new(),
        text: String::new(),
    };
    check(
        &View::Card(card),
        "|临溪（7c1e0a11）\n|对外地址：10.0.0.1:4600\n|值班电话：–\n|核对码（电话中逐组念给对方联络员）：\n|    12345  23456",
        "|临溪 (7c1e0a11)\n|Reachable at: 10.0.0.1:4600\n|Duty phone: –\n|Checking code (read it group by group to the other liaison officer on the phone):\n|    12345  23456",
    );
}

#[test]
fn asks_say_who_asks_whom_for_whom_and_waiting_grants_whom_they_wait_for() {
    let ask = AskView {
        id: ID.into(),
        kind: "onward".into(),
        number: "临-1".into(),
        title: "串案".into(),
        asker_name: "北岭".into(),
        asked_name: "临溪".into(),
        recipient_name: "云湖".into(),
        recipient_claimed: true,
        verb: "read".into(),
        purpose: "并案".into(),
        urgency: "priority".into(),
        at: AT,
        lapses: AT,
        state: "refused".into(),
        reason: "harm".into(),
        ..AskView::default()
    };
    check(
        &View::Onward(OnwardView { asks: vec![ask], pending: vec![] }),
        "|7c1e0a11 [不同意] 北岭 请 临溪 准许 云湖（北岭 所称） 阅读 临-1 串案\n|  用途：并案\n|  2026-12-01 00:00 提出，2026-12-01 00:00 逾期，紧急程度 加急\n|  不同意：有损案件或人身安全",
        "|7c1e0a11 [refused] 北岭 asks 临溪 to let 云湖 (as named by 北岭) read 临-1 串案\n|  for: 并案\n|  asked 2026-12-01 00:00, lapses 2026-12-01 00:00, urgency priority\n|  refused: would harm a case or a person",
    );
    let pending = PendingView {
        id: ID.into(),
        number: "临-1".into(),
        title: "串案".into(),
        recipient_name: "云湖".into(),
        verb: "read".into(),
        via: ID.into(),
        via_name: "北岭".into(),
        lapses: AT,
        state: "waiting".into(),
        waits_for: vec![WaitView { bureau: ID.into(), name: "临江".into(), state: "open".into() }],
        ..PendingView::default()
    };
    check(
        &View::Onward(OnwardView { asks: vec![], pending: vec![pending] }),
        "|7c1e0a11 [等待同意] 临-1 串案：云湖，阅读；等待至 2026-12-01 00:00\n|  经由 北岭\n|  临江: 待答复",
        "|7c1e0a11 [waiting] 临-1 串案: 云湖, read; waits until 2026-12-01 00:00\n|  by way of 北岭\n|  临江: open",
    );
    check(&View::Onward(OnwardView::default()), "|没有请求。", "|No asks.");
}

#[test]
fn the_status_screen_holds_every_part() {
    let found = StatusView {
        bureau: ID.into(),
        name: "临溪县公安局".into(),
        unit_code: "330000".into(),
        network: ID.into(),
        root_version: 1,
        device: "node".into(),
        certificate: ID.into(),
        certificate_ends: AT,
        registrar: true,
        documents: 5,
        changes: 40,
        content_sum: ID.into(),
        clock: "good".into(),
        now: AT,
        inbox: 1,
        ..StatusView::default()
    };
    check(
        &View::Status(found.clone()),
        "|本单位：临溪县公安局（330000）\n|单位标识：7c1e0a11，协作网络：7c1e0a11，根声明第 1 版\n|本机：节点，证书 7c1e0a11 有效至 2026-12-01 00:00\n|登记节点：是\n\
         |时钟：正常，当前 2026-12-01 00:00\n|文档 5 件，改动 40 条，内容摘要 7c1e0a11\n|无人登录。签署、发布和授权须先执行 `accord login`。\n|收件箱：1 件待处理\n|\n\
         |尚无协作单位。导入名片：`accord partner add 名片文件`",
        "|Bureau: 临溪县公安局 (330000)\n|Bureau id: 7c1e0a11, network: 7c1e0a11, root version 1\n|This device: node, certificate 7c1e0a11 until 2026-12-01 00:00\n|Registrar: yes\n\
         |Clock: good, now 2026-12-01 00:00\n|5 documents, 40 changes, content sum 7c1e0a11\n|Nobody is logged in. Sealing, publishing and granting need `accord login` first.\n|Inbox: 1 waiting\n|\n\
         |No partners yet; import a card: `accord partner add CARD`",
    );
    let items = [InboxItem { kind: "offer".into(), ..InboxItem::default() }];
    let words = Words::of(Lang::En);
    assert_eq!(
        status_line(&found, &words) + &inbox_counts(&items, &words),
        "临溪县公安局: 0 of 0 partners connected, 5 documents, clock good.\n1 waiting: offers 1\n"
    );
}

#[test]
fn a_laptop_says_how_long_it_shows_what_it_holds_and_what_is_locked() {
    let said = |reading: ReadingView, lang: Lang| {
        let found = StatusView { device: "laptop".into(), reading: Some(reading), ..StatusView::default() };
        let text = view(&View::Status(found), &Words::of(lang));
        let of_reading = |line: &&str| ["离线阅读", "已锁定", "Reading offline", "LOCKED"].iter().any(|word| line.starts_with(word));
        text.lines().filter(of_reading).map(str::to_owned).collect::<Vec<_>>()
    };
    let home = ReadingView { home: true, since: AT, locked: 0, next: AT, days_left: 7 };
    assert_eq!(said(home.clone(), Lang::Zh), ["离线阅读：本机与登记节点保持联系；若此时断开，7 天后（2026-12-01 00:00）开始锁定"]);
    let away = ReadingView { home: false, locked: 2, ..home.clone() };
    assert_eq!(
        said(away.clone(), Lang::En),
        [
            "LOCKED: 2 documents, since the registrar was last heard 2026-12-01 00:00, longer ago than is allowed. Connect to your bureau's node or unpack a bundle from it; they then open by themselves.",
            "Reading offline: the registrar was last heard 2026-12-01 00:00; the next documents lock in 7 days (2026-12-01 00:00)"
        ]
    );
    assert_eq!(said(ReadingView { next: 0, ..away }, Lang::Zh).len(), 1);
    assert!(said(ReadingView { next: 0, ..home }, Lang::Zh).is_empty(), "nothing is held");
    let locked = DocumentLine { locked: true, held: 1, title: String::new(), ..document_line() };
    assert!(view(&View::Documents { documents: vec![locked.clone()], next: None }, &Words::of(Lang::Zh)).contains("（已锁定）"));
    let held = HeldDocumentView { line: locked, entries: Vec::new() };
    assert!(view(&View::Held { documents: vec![held] }, &Words::of(Lang::En)).contains("(locked)"));
    let item = |kind: &str| InboxItem { kind: kind.into(), title: "3".into(), since: AT, ..InboxItem::default() };
    let text = view(&View::Inbox { items: vec![item("reading_locked"), item("reading_locks")] }, &Words::of(Lang::En));
    assert!(text.contains("3 documents") && text.contains("3 days left"), "{text}");
    let failure = Failure::refused("reading_locked").with("id", "7c1e0a11").with("since", AT).with("days", 7);
    let told = Words::of(Lang::Zh).sentences(&failure);
    assert_eq!(told.cause.as_deref(), Some("自 2026-12-01 00:00 起未联系登记节点，允许 7 天"));
    assert!(told.hint.is_some_and(|hint| hint.contains("离线包")));
    let way = |open: bool| WayView { verb: "show".into(), open, why: "reading_locked".into(), ..WayView::default() };
    let ground = GroundView { kind: "offline".into(), number: 7, from: AT, to: AT, ..GroundView::default() };
    let explained = ExplainView {
        answer: "no".into(),
        ways: vec![WayView { grounds: vec![ground], ..way(false) }, way(true)],
        ..ExplainView::default()
    };
    let text = view(&View::Explain(explained), &Words::of(Lang::Zh));
    assert!(text.contains("在本机查看：不可以，外勤笔记本") && text.contains("在本机查看：可以") && text.contains("可查看 7 天"), "{text}");
}

#[test]
fn what_events_and_records_say_is_in_the_readers_language() {
    let said = |detail: &str| {
        let found = EventView { position: 1, at: AT, kind: "refused".into(), detail: detail.into(), ..EventView::default() };
        event(&found, &Words::of(Lang::Zh)).rsplit_once("00:00 ").expect("a time").1.split_once(' ').expect("a detail").1.to_owned()
    };
    assert_eq!(said("unequal after a repair"), "修复后仍不一致");
    assert_eq!(said("by partner: No 00000000000000ff"), "对方 不予接收 00000000000000ff");
    assert_eq!((said("received 12"), said("60"), said("临-1")), ("已收到 12".into(), "60".into(), "临-1".into()));
    let record = |kind: &str, said: &str| {
        record_words(&RecordView { kind: kind.into(), words: said.into(), ..RecordView::default() }, &Words::of(Lang::Zh))
    };
    assert_eq!(record("grant", "北岭县公安局 append, 临溪县公安局 read"), "北岭县公安局 添加内容, 临溪县公安局 阅读");
    assert_eq!((record("cut", "bureau strict"), record("cut", "seat")), ("该单位 从严".into(), "一个席位".into()));
    assert_eq!((record("end", "retention"), record("continue", "2 compromised")), ("保存期满".into(), "2 原密钥已失窃".into()));
    assert_eq!((record("continue", "2"), record("adopt", "临-1"), record("void", "1 写错")), ("2".into(), "临-1".into(), "1 写错".into()));
    assert!(record("reclassify", "amber 北岭县公安局").ends_with("北岭县公安局"));
}

#[test]
fn a_partners_title_cannot_steer_the_terminal() {
    let found = DocumentLine { title: "\x1b[2J令\u{202e}x\r\n".into(), ..document_line() };
    let text = view(&View::Documents { documents: vec![found], next: None }, &Words::of(Lang::En));
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}') && text.lines().count() == 2, "{text:?}");
}

#[test]
fn findings_give_the_next_step_of_what_is_wrong_only() {
    let finding = |ok| Finding { check: "disk".into(), ok, detail: "3 GiB".into(), hint: "make room".into(), ..Finding::default() };
    let words = Words::of(Lang::En);
    assert_eq!(findings(&[finding(true)], &words), "[ok] disk: 3 GiB\nAll is well.\n");
    assert_eq!(findings(&[finding(false)], &words), "[fault] disk: 3 GiB\n    next: make room\n");
}

#[test]
fn times_are_shown_in_china_and_ids_short() {
    assert_eq!((time(0).as_str(), time(AT).as_str(), time(u64::MAX).as_str()), ("–", "2026-12-01 00:00", "–"));
    assert_eq!((short(ID).as_str(), short("临-1").as_str(), short("").as_str()), ("7c1e0a11", "临-1", ""));
}
