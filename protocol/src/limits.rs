//! Every bound, with unit, default and reason.
//!
//! *Verdict* bounds are part of what makes a change or record malformed: the same for everyone, for ever. *Back-pressure* bounds may delay
//! and may be tuned; they never decide.

/// Largest decoded frame, bytes. Back-pressure; fits the largest change with its envelope.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Largest frame that carries no document content, bytes. Back-pressure.
pub const CONTROL_BYTES_MAX: usize = 64 * 1024;
/// Largest raw Automerge change, bytes. Verdict.
pub const CHANGE_BYTES_MAX: usize = 240 * 1024;
/// Largest segment, bytes of its changes. Verdict; a segment must fit one frame.
pub const SEGMENT_BYTES_MAX: usize = 244 * 1024;
/// Largest segment our own writer makes before it starts another, bytes.
pub const SEGMENT_BYTES_TARGET: usize = 128 * 1024;
/// Pushes remembered after a gate dropped some, until they are answered. Back-pressure: what is forgotten shows in the next comparison.
pub const UNSURE_MAX: usize = 8_192;
/// Most positions (changes and links) in one segment. Verdict.
pub const SEGMENT_POSITIONS_MAX: usize = 4_096;
/// Unacknowledged bytes towards one partner. Back-pressure: memory and fairness.
pub const IN_FLIGHT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// After so many bytes said that no push answers, a mark asks whether they arrived. Back-pressure.
pub const MARK_EVERY_BYTES: usize = 512 * 1024;
/// Evidence sent together with the pushes that rest on it, bytes; more of it is said before them. Back-pressure.
pub const EVIDENCE_AT_ONCE_MAX: usize = 256 * 1024;
/// Bytes of statements, lines and passes said on a link and not known to have arrived; the rest waits. Back-pressure: with pushes on their way it stays
/// below what a link holds.
pub const UNHEARD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records in one access log. Verdict (the index of a record is a causal fact).
pub const RECORDS_MAX: u32 = 65_536;
/// The last so many records are for cut, void, erase, end and continue only. Verdict.
pub const RECORDS_RESERVED: u32 = 4_096;
/// Bureaus in one genesis audience or grant record. Verdict; fits a control frame.
pub const AUDIENCE_MAX: usize = 256;
/// Bureaus that the genesis and the grants on the way to one record may name. Verdict: every holder keeps them all and asks of each whose
/// consent it needs; a province has some hundred.
pub const BUREAUS_PER_LOG_MAX: usize = 1_024;
/// Commitments of a hidden audience. Verdict; as many as an open one.
pub const HIDDEN_MAX: usize = AUDIENCE_MAX;
/// Consents in one grant. Verdict; with an order they fit a sealed payload.
pub const CONSENTS_MAX: usize = 64;
/// Purpose a person states with an ask onward, bytes. Verdict.
pub const PURPOSE_BYTES_MAX: usize = 500;
/// Longest life of a relay pass, seconds. Verdict: what a suspension cannot reach ends by then (DESIGN §4).
pub const PASS_LIFE_S_MAX: u64 = 7 * 24 * 3_600;
/// A pass is renewed when less than this is left of it, seconds. Back-pressure: half its life.
pub const PASS_RENEW_S: u64 = PASS_LIFE_S_MAX / 2;
/// Rounds of issuing and showing passes within [`PASS_PAUSE_MS`]; the rest is done in one round after it. Back-pressure: a bureau that signs with
/// dozens of others at once must not reissue all its passes for each of them.
pub const PASS_ROUNDS_MAX: u32 = 32;
/// See [`PASS_ROUNDS_MAX`], milliseconds.
pub const PASS_PAUSE_MS: u64 = 5_000;
/// Lines of one pass: every category with both verbs fits. Verdict.
pub const PASS_LINES_MAX: usize = 64;
/// Bureaus one pass is shown to. Verdict.
pub const PASS_SHOWN_MAX: usize = 256;
/// Passes kept of one issuer and holder. Back-pressure: the newest, and older ones that name whom no newer one names.
pub const PASSES_KEPT: usize = 32;
/// Passes of one issuer and holder kept after they were replaced or ended: whoever asks about a past time is answered by them. Back-pressure.
pub const PASSES_PAST_MAX: usize = 32;
/// Issuers one holder shows passes of. Back-pressure.
pub const PASS_ISSUERS_MAX: usize = 512;
/// Pairs of issuer and holder in all. Back-pressure.
pub const PASS_PAIRS_MAX: usize = 65_536;
/// New passes taken from one partner within a day. Back-pressure: a bureau that signs with a hundred at once has each of its passes replaced a hundred times.
pub const PASSES_PER_DAY: usize = 16_384;
/// Of those, passes by one issuer that another bureau shows. Back-pressure: who replaces its passes all the time uses up no more of its holders' share;
/// a compact of a hundred has each replaced a hundred times.
pub const PASSES_OF_ISSUER_PER_DAY: usize = 512;
/// Bytes of those. Back-pressure.
pub const PASS_BYTES_PER_DAY: usize = 64 * 1024 * 1024;
/// Where passes open or close a way, views are compared anew with a bureau at once and then this often at most, milliseconds. Back-pressure: each
/// looks through all documents.
pub const PASS_COMPARED_EVERY_MS: u64 = 60_000;
/// So many documents that were not taken are asked for again each time; of more only once an hour. Back-pressure: each may go whole once more.
pub const PASS_WANTED_MAX: usize = 256;
/// Passes in one message.
pub const PASSES_PAGE: usize = 32;
/// Asks and answers in one message.
pub const ONWARD_PAGE: usize = 64;
/// Open asks of one partner, onward and for consent together. Back-pressure.
pub const ONWARD_OPEN_MAX: usize = 64;
/// Asks taken from one partner within a day, answered or not. Back-pressure: each waits for a person.
pub const ONWARD_PER_DAY_MAX: usize = 200;
/// Views are compared anew for grants that ended by time at most this often, seconds. Back-pressure: the owner's log says when they end.
pub const ENDS_EVERY_S: u64 = 60;
/// Alarms about grants without our consent kept of one owner. Back-pressure: one a record; what is above it stands in the owner's log.
pub const ALARMS_PER_OWNER_MAX: usize = 64;
/// How often an ask or answer that got no answer is told again on a link that stays up, seconds. Back-pressure.
pub const ONWARD_AGAIN_S: u64 = 3_600;
/// An ask and its answer are kept so long after it lapsed, seconds.
pub const ONWARD_KEPT_S: u64 = 90 * 24 * 3_600;
/// An ask that lapsed without an answer is kept so long after, seconds.
pub const ONWARD_LAPSED_KEPT_S: u64 = 7 * 24 * 3_600;
/// Longest time an ask for consent, and the order that waits for it, may stay open, seconds. Verdict: an order is not a blank cheque.
pub const ONWARD_ANSWER_S_MAX: u64 = 30 * 24 * 3_600;
/// Without a time to answer by, an ask lapses after this, seconds.
pub const ONWARD_ANSWER_S: u64 = 7 * 24 * 3_600;
/// Bytes of held work taken from, or offered to, one partner within a day over a restricted link. Back-pressure.
pub const HELD_BYTES_PER_DAY: usize = 16 * 1024 * 1024;
/// New documents taken from one partner within a day. Back-pressure: a county makes hundreds, but its first sync brings all it has; what that
/// may cost is bounded by [`DOCUMENT_BYTES_PER_DAY`].
pub const NEW_DOCUMENTS_PER_DAY: usize = 250_000;
/// A list of what is held may wait so long to go to a partner, milliseconds: when a record takes somebody's access meanwhile it is dropped.
pub const LISTED_MS: u64 = 60_000;
/// Cursors kept of one partner within a day: it gives one in five seconds at most. Back-pressure: each is written.
pub const CURSORS_PER_DAY: usize = 20_000;
/// Wishes of one partner for documents anew within a day. Back-pressure: each is a document read and sent.
pub const WANTS_PER_DAY: usize = 100_000;
/// Times within a day that one partner, whose cursor says nothing, has named to it what is its own and in no view. Back-pressure: each looks through
/// the documents and writes a line for each of them.
pub const HOMEWARD_PER_DAY: usize = 20;
/// Single documents of a partner's own that stay noted to be named to it where all of it was; if more are left, all is named again. Back-pressure: each is
/// a row.
pub const HOMEWARD_NOTED_MAX: usize = 16_384;
/// Messages of one link that look through the whole view, within [`VIEW_WALKS_MS`]: a repair takes six. Back-pressure; more are left unread, and the next
/// quiet moment compares anew.
pub const VIEW_WALKS_MAX: u32 = 16;
/// See [`VIEW_WALKS_MAX`], milliseconds.
pub const VIEW_WALKS_MS: u64 = 10_000;
/// Bytes of documents taken from one partner within a day. Back-pressure.
pub const DOCUMENT_BYTES_PER_DAY: usize = 2 * 1024 * 1024 * 1024;
/// A laptop or second node sends to partners for so long after it heard its registrar, seconds (DESIGN §4).
pub const IN_TOUCH_S: u64 = 24 * 3_600;
/// Days a laptop that does not hear its registrar keeps readable what no line of an agreement gives a figure for: documents of its own bureau, and
/// lines that name none. As long as a wall clock is believed at a start on nobody's word.
pub const OFFLINE_DAYS: u32 = 30;
/// People are told so long before something on a laptop locks, seconds.
pub const LOCK_WARN_S: u64 = 2 * 24 * 3_600;
/// Tips a node's receipt names. Verdict; more of one delivery make another receipt.
pub const RECEIPT_TIPS_MAX: usize = 64;
/// Receipts of nodes kept of one document. Back-pressure: what has none waits for an officer, as everything else that is held.
pub const NODE_RECEIPTS_MAX: usize = 4_096;
/// Of those, receipts of one node. Back-pressure: nobody who holds one node's key keeps the others' from being heard.
pub const NODE_RECEIPTS_OF_ONE_MAX: usize = NODE_RECEIPTS_MAX / 4;
/// Receipts of nodes in one push. Back-pressure: ours has fewer.
pub const RECEIPTS_PER_PUSH: usize = 1_024;
/// So long after a cut the registrar lets in by itself what one of its own nodes had receipted before it heard of the cut, seconds: a node that hears
/// nothing for longer sends nothing to partners either, and whoever finds an old node's key is too late. Then an officer's order is needed.
pub const RECEIPTED_WAITS_S: u64 = 7 * 24 * 3_600;
/// When the registrar may not let in today what was receipted, it looks again after this, milliseconds.
pub const RECEIPTED_AGAIN_MS: u64 = 600_000;
/// Tips named by one anchor or view entry. Verdict for anchors.
pub const TIPS_MAX: usize = 1_024;
/// Frontier lines of one cut. Verdict (200 laptops of 3 lives each fit).
pub const FRONTIER_MAX: usize = 1_024;
/// Tips of an admit. Verdict; its order repeats them.
pub const ADMIT_TIPS_MAX: usize = 512;
/// Changes one record voids. Verdict; fits a control frame twice, with its order.
pub const VOIDS_MAX: usize = 256;
/// Erasable parts one record removes. Verdict; as for voids.
pub const ERASED_MAX: usize = 256;
/// Content of one piece of a file, bytes. Verdict for manifests; with salt and envelope it fits a frame.
pub const PIECE_BYTES: usize = 128 * 1024;
/// One erasable part, salt included, bytes. Verdict for parts.
pub const PART_BYTES_MAX: usize = PIECE_BYTES + crate::part::SALT_BYTES;
/// Pieces of one file. Verdict for manifests: one record erases them and their manifest.
pub const PIECES_MAX: usize = ERASED_MAX - 1;
/// One file, bytes: larger matter is cut into several.
pub const FILE_BYTES_MAX: u64 = (PIECES_MAX * PIECE_BYTES) as u64;
/// Display name of a file, bytes. Verdict for manifests.
pub const FILE_NAME_BYTES_MAX: usize = 200;
/// Name under which a file is put into a folder, bytes: with an ending of its own it fits every file system.
pub const SAFE_NAME_BYTES_MAX: usize = 120;
/// Media type of a file, bytes. Verdict for manifests.
pub const MEDIA_BYTES_MAX: usize = 100;
/// Files of one document that one bureau attaches; of more by another bureau nothing is fetched. Back-pressure: nobody else's files wait behind them.
pub const FILES_OF_BUREAU_MAX: usize = 256;
/// Files of one bureau of which something is missing here; of more nothing is fetched. Back-pressure: memory; a first sync brings tens of thousands.
pub const FILES_WANTED_MAX: usize = 65_536;
/// Of those, files whose pieces are known; further manifests wait. Back-pressure: memory, eight kilobytes each.
pub const FILES_OPEN_MAX: usize = 1_024;
/// Parts named in one message that asks for some. Back-pressure.
pub const PARTS_WANTED_PAGE: usize = 64;
/// Parts asked for on one link and not answered. Back-pressure: a mebibyte on its way.
pub const PARTS_ASKED_MAX: usize = 8;
/// Parts one link waits for, at the giver; more are answered with no. Back-pressure: names, not bytes.
pub const PARTS_DUE_MAX: usize = 64;
/// Unacknowledged bytes towards a partner beyond which no part goes. Back-pressure: what people write goes first, and waits for a mebibyte at most.
pub const PARTS_AHEAD_BYTES: usize = 1024 * 1024;
/// Bytes of parts given to one partner within a day. Back-pressure: whoever asks for the same again and again.
pub const PART_BYTES_PER_DAY: usize = 2 * 1024 * 1024 * 1024;
/// Messages within a day by which one partner asks for parts. Back-pressure.
pub const PART_ASKS_PER_DAY: usize = 200_000;
/// A part asked for and not answered is asked for anew after this, milliseconds.
pub const PART_UNANSWERED_MS: u64 = 120_000;
/// A file that nobody has yet is asked for again after this, doubled each time, milliseconds; and at the latest after …
pub const PART_AGAIN_MS: u64 = 5_000;
/// … this, milliseconds.
pub const PART_AGAIN_MS_MAX: u64 = 600_000;
/// Files looked at in one turn for what is missing of them. Back-pressure.
pub const FILES_AT_ONCE: usize = 64;
/// Parts read from the store that wait to be sent or shown, bytes. Back-pressure: memory.
pub const PARTS_SHELF_BYTES: usize = 8 * 1024 * 1024;
/// Manifests remembered. Back-pressure: memory.
pub const MANIFESTS_CACHED_MAX: usize = 4_096;
/// Pieces laid down and not attached within this are destroyed, milliseconds.
pub const STAGED_KEPT_MS: u64 = 3_600_000;
/// Files being laid down at once. Back-pressure: disk.
pub const STAGED_MAX: usize = 64;
/// Heads a record names that heals a forked log. Verdict; two registrars make two, the rest is room.
pub const LOG_HEADS_MAX: usize = 64;
/// Reason of an order, bytes of UTF-8. Verdict.
pub const REASON_BYTES_MAX: usize = 200;
/// Reason of a suspension or notice, bytes of UTF-8. Verdict.
pub const STOP_REASON_BYTES_MAX: usize = 500;
/// Body text of a bulletin, thread or entry, bytes of UTF-8. Verdict for acts; longer matter is an attachment.
pub const TEXT_BYTES_MAX: usize = 48 * 1024;
/// One act, bytes. Verdict.
pub const ACT_BYTES_MAX: usize = 60 * 1024;
/// Headline, bytes.
pub const TITLE_BYTES_MAX: usize = 200;
/// A newly made document or note is anchored after so many changes.
pub const ANCHOR_AFTER_CHANGES: u64 = 64;
/// … or after so much idle time, milliseconds.
pub const ANCHOR_IDLE_MS: u64 = 10 * 60 * 1_000;
/// … or so soon after another bureau's act, milliseconds (DESIGN: within 10 seconds).
pub const ANCHOR_ACT_MS: u64 = 5_000;
/// Documents the registrar cuts by itself in a day; more wait for a person's word. Back-pressure.
pub const CUTS_PER_DAY: u64 = 1_000;
/// People are told so long before a document's time is over, seconds.
pub const RETENTION_TOLD_S: u64 = 7 * 24 * 3_600;
/// What ended for its time being over is destroyed so long after, seconds: attestations are due within it.
pub const RETENTION_ERASE_S: u64 = 30 * 24 * 3_600;
/// All documents are looked through for their time being over this often, milliseconds. Back-pressure.
pub const RETENTION_LOOK_MS: u64 = 3_600_000;
/// Anchors one partner's work may hasten in a day; after that its work is settled at idle time. Back-pressure: each one is a record for ever.
pub const ANCHORS_HASTENED_PER_DAY: u32 = 2_000;
/// Most anchors a document gets within a minute.
pub const ANCHORS_PER_MINUTE: usize = 6;
/// Quiet time before sums are compared, milliseconds.
pub const QUIET_MS: u64 = 2_000;
/// Documents on one page of a list.
pub const LIST_PAGE_MAX: usize = 1_000;
/// Documents looked at for one page, at most: some 20 ms in which others wait.
pub const LIST_LOOK_MAX: usize = if cfg!(debug_assertions) { 100 } else { 16_384 };
/// Documents a sum of a view is counted over within a turn. Back-pressure: about a microsecond each, while others wait. Where assertions are on very
/// few, so that every test counts in several turns.
pub const VIEW_COUNTED_AT_ONCE: usize = if cfg!(debug_assertions) { 2 } else { 1_024 };
/// Documents the walk of one link looks at within a turn. Back-pressure: of a document at rest each is some ten microseconds, while others wait. Fewer
/// where assertions are on, so that tests walk in several turns.
pub const WALKED_AT_ONCE: usize = if cfg!(debug_assertions) { 64 } else { 4_096 };
/// Documents a tips exchange may cover; above it an alarm and no exchange.
pub const TIPS_DOCUMENTS_MAX: usize = 10_000;
/// Changes of one bureau in a case thread above which its writers are sent on to a successor (`case continue`): opening and merging stay bounded.
/// What others write in it is taken all the same. Back-pressure.
pub const THREAD_CHANGES_MAX: u64 = 20_000;
/// Coded symbols of one repair: some 11,000 differences; above it tips are exchanged, where those may be. Back-pressure; in one frame.
pub const SYMBOLS_MAX: usize = 16_384;
/// Symbols a repair begins with at least. Back-pressure: less than one page of tips.
pub const SYMBOLS_FIRST: usize = 512;
/// Documents a repair by symbols may cover: each costs some 0.5 us on both sides. Back-pressure.
pub const SYMBOLS_DOCUMENTS_MAX: usize = 2_000_000;
/// Rows of documents that many are counted ahead, and their progress is told and shown. Back-pressure: what is shorter is there before
/// anybody asks.
pub const PROGRESS_DOCUMENTS_MIN: u64 = 32;
/// Documents counted ahead for one link within a turn. Back-pressure: some microseconds each.
pub const PROGRESS_COUNTED_AT_ONCE: usize = 1_024;
/// Documents a node may say are to come: more than any store holds, and far from the end of the numbers they are added up in. Verdict: no
/// message.
pub const AHEAD_DOCUMENTS_MAX: u64 = 1 << 48;
/// Documents one link did not take that are noted, to be asked for again when things change. Back-pressure: of more, a new link compares everything
/// anew.
pub const REFUSED_NOTED_MAX: usize = 4_096;
/// Times one link asks for one document from its beginning. Back-pressure: what cannot come whole would go on for ever.
pub const WANTS_OF_DOCUMENT_MAX: u8 = 3;
/// Documents one link noted as asked for. Back-pressure: memory.
pub const WANTED_NOTED_MAX: usize = 4_096;
/// Documents named in one message.
pub const NAMED_PAGE: usize = 1_024;
/// Documents in one tips page.
pub const TIPS_PAGE: usize = 256;
/// A wall clock this far from expectation is a jump, seconds.
pub const CLOCK_JUMP_S: u64 = 600;
/// How far the wall clock may be ahead of the floor at start without confirmation, seconds.
pub const CLOCK_START_AHEAD_S: u64 = 30 * 24 * 3_600;
/// The clock floor is written this often, milliseconds.
pub const FLOOR_EVERY_MS: u64 = 10 * 60 * 1_000;
/// Open offers of a pair told at a session's start, the newest; what both sealed is always told. Back-pressure.
pub const AGREEMENT_STATEMENTS_MAX: usize = 64;
/// Events kept for `events --since`.
pub const EVENTS_KEPT: u64 = 20_000;
/// Evidence statements in one message.
pub const EVIDENCE_MAX: usize = 128;
/// Bureaus a node keeps statements of; evidence about further ones is not taken from partners. Back-pressure.
pub const BUREAUS_MAX: usize = 4_096;
/// Of those, bureaus that are no partners of ours and that one partner introduced by bringing their root. Back-pressure: nobody fills the others'
/// room with bureaus of its own invention; a province has some hundred.
pub const INTRODUCED_MAX: usize = 128;
/// Bytes kept of all that one partner brought of bureaus that are no partners of ours, whoever introduced them; statements that never go backwards find
/// a quarter more. Back-pressure: each of our own devices hears all of them. Half a MiB for each of [`INTRODUCED_MAX`] is a thousand certificates.
pub const INTRODUCED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of a bureau of which more than this is known a device of our own hears between documents rather than before them, bytes. Back-pressure: what a
/// document rests on goes along with it.
pub const SAID_BEFORE_OF_BUREAU_MAX: usize = 1024 * 1024;
/// Statements of other bureaus said to a device of our own before documents, bytes; the rest likewise between them. Back-pressure.
pub const SAID_BEFORE_MAX: usize = 16 * 1024 * 1024;
/// Of the bureaus said later, roots, registrars and what was revoked go before documents all the same, so many bytes in all. Back-pressure.
pub const SAID_EARLY_MAX: usize = 4 * 1024 * 1024;
/// New statements about identities taken from one partner within a day; those about our own bureau do not count. Back-pressure: all officers and
/// devices of a large bureau, revoked and certified anew, fit five times over.
pub const STATEMENTS_PER_DAY: usize = 8_192;
/// Of those, statements about one bureau that another brings. Back-pressure: whoever certifies without end uses up no more of the share of those who
/// hand on its work.
pub const STATEMENTS_OF_OTHER_PER_DAY: usize = STATEMENTS_PER_DAY / 4;
/// Bytes of those. Back-pressure.
pub const STATEMENT_BYTES_PER_DAY: usize = 16 * 1024 * 1024;
/// Statements kept of one partner bureau, bytes. Back-pressure: 500 officers renewed every 90 days need sixty years for it.
pub const STATEMENT_BYTES_OF_PARTNER_MAX: usize = 64 * 1024 * 1024;
/// Statements kept of a bureau that is neither ours nor a partner's, bytes. Back-pressure: certificates of whoever wrote in documents we share.
pub const STATEMENT_BYTES_OF_OTHERS_MAX: usize = 16 * 1024 * 1024;
/// Devices of one partner that may connect: its registrar's, then the newest. Back-pressure.
pub const DEVICES_ALLOWED_MAX: usize = 64;
/// Of those, how many are dialled. Back-pressure: addresses at which nobody answers must not keep other partners waiting.
pub const DEVICES_DIALLED_MAX: usize = 16;
/// Account lines and events for refusals on one link within a minute; more are counted only. Back-pressure.
pub const REFUSALS_NOTED_PER_MINUTE: u32 = 20;
/// Open offers of one bureau within a pair. Back-pressure.
pub const OPEN_OFFERS_MAX: usize = 16;
/// After an offer expired, its conclusion is taken from a partner for so long, seconds.
pub const CONCLUDE_GRACE_S: u64 = 7 * 24 * 3_600;
/// Whole encoded segment, links included, bytes. Verdict; with its envelope it fits a frame.
pub const SEGMENT_ENCODED_MAX: usize = 246 * 1024;
/// Refused commands of our own people noted within a minute; more are answered only. Back-pressure.
pub const COMMANDS_NOTED_PER_MINUTE: u32 = 60;
/// A reader of a document is noted again after this, milliseconds.
pub const READ_NOTED_EVERY_MS: u64 = 3_600_000;
/// Readings remembered so as not to note them twice; beyond it all are noted. Back-pressure.
pub const READS_REMEMBERED_MAX: usize = 65_536;
/// A proof file, bytes: fits the API's largest answer in base64. Back-pressure; longer documents are proven by their parts.
pub const PROOF_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Automatic repairs before a link is marked divergent.
pub const REPAIRS_MAX: u32 = 1;
/// Changes whose content is computed in the loop; above it another thread does it while the loop goes on. Back-pressure.
pub const CONTENT_AT_ONCE_MAX: usize = 256;
/// Stored bytes of a document that are read back in the loop; above it another thread does it. Back-pressure.
pub const LOAD_AT_ONCE_BYTES_MAX: usize = 256 * 1024;
/// Document bodies kept in memory, by count. Back-pressure.
pub const BODIES_CACHED_MAX: usize = 256;
/// Document bodies kept in memory, by what they weigh together ([`crate::intake::DocState::weight`]), bytes. Back-pressure: few large ones push out many.
pub const BODIES_WEIGHT_MAX: usize = 256 * 1024 * 1024;
/// What a document may weigh so that more of it is taken from a partner, bytes. Back-pressure; a full thread ([`THREAD_CHANGES_MAX`]) of entries of 1 KiB weighs a third.
pub const BODY_WEIGHT_MAX: usize = 192 * 1024 * 1024;
/// Longest row of a table, bytes: what the store takes, in one write with the rest of its batch.
pub const ROW_BYTES_MAX: usize = 1024 * 1024;
/// Longest row of a document's summary that a push may make, bytes. Back-pressure: a thousand holders fit, each with consents; the rest of
/// [`ROW_BYTES_MAX`] is for what our own registrar adds.
pub const SUMMARY_BYTES_MAX: usize = ROW_BYTES_MAX - 128 * 1024;
/// Holders, past and present, up to which a summary cannot be longer than [`SUMMARY_BYTES_MAX`] and is not measured.
pub const HOLDERS_UNMEASURED: usize = 64;
/// Bytes of a rewritten summary that count for nothing in a partner's share of a day ([`DOCUMENT_BYTES_PER_DAY`]): nearly all have less.
pub const SUMMARY_BYTES_FREE: usize = 4 * 1024;
/// Documents that wait to be sent as they are stored, by count. Back-pressure.
pub const SHELF_DOCUMENTS_MAX: usize = 256;
/// Stored bytes of those documents. Back-pressure; the one that is too large alone still goes.
pub const SHELF_BYTES_MAX: usize = 16 * 1024 * 1024;
/// An offer without answer lapses after this, seconds.
pub const OFFER_EXPIRES_S: u64 = 14 * 24 * 3_600;
/// Shortest notice an agreement may name, days; also what holds when it names none. Verdict (DOMAIN: at least 30 days).
pub const NOTICE_DAYS_MIN: u32 = 30;
/// After grace or notice an agreement winds down for so long, seconds: attestations are due within it. Verdict.
pub const WINDING_DOWN_S: u64 = 30 * 24 * 3_600;
/// Longest emergency agreement, seconds. Verdict.
pub const EMERGENCY_S_MAX: u64 = 24 * 3_600;
/// Suspensions and notices one resume or version may list. Verdict; more than a pair may have standing.
pub const LIFTS_MAX: usize = 256;
/// Suspensions, open resumes and notices of one side of a pair that stand at once. Back-pressure: one whole suspension says it all.
pub const STOPS_STANDING_MAX: usize = 100;
/// Resumes of one side of a pair kept without an answer. Back-pressure: a newer one is as good.
pub const OPEN_RESUMES_MAX: usize = 16;
/// Terms with an annex, bytes. Verdict; several agreements fit one control frame.
pub const TERMS_BYTES_MAX: usize = 20 * 1024;
/// Pairings of units in one annex. Verdict.
pub const PAIRINGS_MAX: usize = 256;
/// Liaison lines in one annex. Verdict.
pub const LIAISONS_MAX: usize = 64;
/// Clusters in one annex. Verdict.
pub const CLUSTERS_MAX: usize = 16;
/// Articles in one annex. Verdict.
pub const ARTICLES_MAX: usize = 32;
/// Longest response time, minutes: 90 days. Verdict.
pub const RESPONSE_MINUTES_MAX: u32 = 90 * 24 * 60;
/// Bureaus of one compact. Verdict; the largest known county compact has 29 (DOMAIN).
pub const ROSTER_MAX: usize = 128;
/// Name of a compact, bytes. Verdict; it is typed after `--to compact:`.
pub const COMPACT_NAME_BYTES_MAX: usize = 64;
/// Compacts kept, every version counted. Back-pressure.
pub const COMPACTS_MAX: usize = 512;
/// Compacts of one initiator that came over a link and that no officer here signed. Back-pressure: further ones are carried by file.
pub const COMPACTS_UNSIGNED_MAX: usize = 16;
/// Compacts in one message.
pub const COMPACTS_PAGE: usize = 4;
/// A compact's file, bytes before armour: the statement with roots and certificates of its initiator. Back-pressure.
pub const COMPACT_FILE_BYTES_MAX: usize = 256 * 1024;
/// An offer under a compact lapses after this, seconds: dozens of heads sign within a quarter, each once.
pub const COMPACT_OFFER_EXPIRES_S: u64 = 90 * 24 * 3_600;
/// Grants that a healed log left on another branch, kept for each document: a row holds them.
pub const LOST_GRANTS_MAX: usize = 64;
/// They are shown to the registrar's officers for this long after the healing, seconds, unless they are given again or their holder is cut.
pub const LOST_GRANTS_SHOWN_S: u64 = 30 * 24 * 3_600;
/// People are warned so many days before an agreement ends.
pub const WARN_DAYS: [u32; 3] = [60, 30, 7];
/// Receipts in one line of a pair's ledger. Verdict; a line fits a control frame.
pub const RECEIPTS_PER_LINE_MAX: usize = 128;
/// References in one line about denials. Verdict.
pub const DENIAL_REFERENCES_MAX: usize = 16;
/// Documents that wait for a receipt before one is written, whatever else comes.
pub const RECEIPTS_DUE: usize = 64;
/// … or so much quiet time after the last of them, milliseconds.
pub const RECEIPTS_QUIET_MS: u64 = 10_000;
/// Lines of a pair's ledger in one message. Back-pressure.
pub const LINES_PER_MESSAGE: usize = 64;
/// Lines of its own that one partner states within a day, taken here; the rest comes with a later greeting. Back-pressure: documents come by the
/// thousand and are receipted together, work on ours one line each.
pub const LINES_PER_DAY: u64 = 8_192;
/// Lines of each side of a pair's ledger that are shown unless more are asked for: with 64 documents each some 230 KB of text.
pub const LEDGER_LINES_SHOWN: u64 = 200;
/// Contradicting lines of one partner kept as proof. Back-pressure: two prove the fault.
pub const LINE_FORKS_MAX: usize = 8;
/// Largest cursor kept for a peer, bytes. Back-pressure; ours are a fifth of it.
pub const CURSOR_BYTES_MAX: usize = 4_096;
/// After so many documents pushed in a row a cursor goes along, so that a break costs little. Back-pressure.
pub const CURSOR_EVERY_PUSHES: u32 = 32;
/// So long after a cursor the last push of a row carries none: one follows when that time is over, milliseconds. Back-pressure: whoever types
/// would pay a cursor for each entry; what a break in between costs is what was sent since.
pub const CURSOR_REST_MS: u64 = 5_000;
/// A cursor that says of new ledger lines follows within this, milliseconds. Back-pressure: every partner gets one.
pub const CURSOR_LATE_MS: u64 = 10 * 60 * 1_000;
/// Pairs remembered as behind what cursors told. Back-pressure: twice what one cursor speaks of.
pub const TOLD_MAX: usize = 256;
/// How long a store that catches up waits for partners before an officer may rule without them, milliseconds.
pub const CATCHING_WAIT_MS: u64 = 10 * 60 * 1_000;
/// What an officer states in words for the account, bytes.
pub const STATED_BYTES_MAX: usize = 500;
/// Bytes of a bundle's records before compression. Back-pressure: whoever hands one in decides how much is read; a county's first sync is a tenth of it.
pub const BUNDLE_RECORD_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Bytes of a bundle's file. Back-pressure: so much is copied from a stick, whatever length it states.
pub const BUNDLE_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Documents a bundle's report names as not taken; the rest is counted.
pub const BUNDLE_REFUSALS_TOLD: usize = 256;
/// Documents remembered one by one, for each bureau, that walks passed over though they concern it; beyond, its next bundle holds everything.
pub const LEFT_NOTED_MAX: usize = 16_384;
/// Bundles packed, and unpacked, at a time. Back-pressure: one file each.
pub const BUNDLES_AT_ONCE: usize = 2;
/// One that nobody goes on with is dropped after this, milliseconds.
pub const BUNDLE_LEFT_MS: u64 = 10 * 60 * 1_000;
/// An invitation for a device ends after this, seconds.
pub const INVITE_EXPIRES_S: u64 = 15 * 60;

const _: () = assert!(CHANGE_BYTES_MAX == crate::rules::CHANGE_BYTES_MAX, "a bound of the rules");
const _: () = assert!(CHANGE_BYTES_MAX <= SEGMENT_BYTES_MAX, "one change must fit a segment");
const _: () = assert!(SEGMENT_ENCODED_MAX + 8 * 1024 <= FRAME_BYTES_MAX, "a segment with its envelope must fit a frame");
const _: () = assert!(2 * (TERMS_BYTES_MAX + 4 * 1024) < CONTROL_BYTES_MAX, "two agreements fit one message");
const _: () = assert!(ROSTER_MAX * 144 + TERMS_BYTES_MAX + 4 * 1024 < CONTROL_BYTES_MAX, "a compact fits a sealed payload and a row");
const _: () = assert!(COMPACTS_PAGE * CONTROL_BYTES_MAX <= FRAME_BYTES_MAX, "a page of compacts fits a frame");
const _: () = assert!(STOPS_STANDING_MAX * 2 <= LIFTS_MAX, "one resume can lift all that stands");
const _: () = assert!(CONTROL_BYTES_MAX <= FRAME_BYTES_MAX, "control frames are frames");
const _: () = assert!(DEVICES_DIALLED_MAX <= DEVICES_ALLOWED_MAX, "who is dialled may connect");
const _: () = assert!(INTRODUCED_BYTES_MAX >= STATEMENT_BYTES_OF_OTHERS_MAX, "one introduced bureau may be as heavy as any");
const _: () = assert!(INTRODUCED_MAX * 16 <= BUREAUS_MAX, "sixteen partners that invent bureaus leave room for others");
const _: () = assert!(MARK_EVERY_BYTES * 2 <= UNHEARD_BYTES_MAX, "a mark is on its way before the rest has to wait");
const _: () = assert!(RECORDS_RESERVED < RECORDS_MAX, "room for ordinary records");
const _: () = assert!(AUDIENCE_MAX * 128 < CONTROL_BYTES_MAX, "a genesis fits a sealed payload");
const _: () = assert!(HIDDEN_MAX * 34 < CONTROL_BYTES_MAX, "hidden commitments fit a sealed payload");
const _: () = assert!(CONSENTS_MAX * 512 + 16 * 1024 < CONTROL_BYTES_MAX, "a grant with its consents fits a sealed payload");
const _: () = assert!(PASS_SHOWN_MAX * 34 + PASS_LINES_MAX * 8 < CONTROL_BYTES_MAX, "a pass fits a sealed payload");
const _: () = assert!(SYMBOLS_MAX * crate::equality::sketch::SYMBOL_BYTES + 1_024 < FRAME_BYTES_MAX, "the symbols of a repair fit a frame");
const _: () = assert!(NAMED_PAGE * 34 + 1_024 < CONTROL_BYTES_MAX, "a page of names fits a control frame");
const _: () = assert!(PASS_RENEW_S < PASS_LIFE_S_MAX, "a pass is renewed before it ends");
const _: () = assert!(TIPS_MAX * 33 < CONTROL_BYTES_MAX, "an anchor fits a sealed payload");
const _: () = assert!(2 * VOIDS_MAX * 34 + 2 * REASON_BYTES_MAX + 4_096 < CONTROL_BYTES_MAX, "a void and its order fit a sealed payload");
const _: () = assert!(2 * ADMIT_TIPS_MAX * 34 + 4_096 < CONTROL_BYTES_MAX, "an admit and its order fit a sealed payload");
const _: () = assert!(2 * LOG_HEADS_MAX * 34 + 4_096 < CONTROL_BYTES_MAX, "a continue and its order fit a sealed payload");
const _: () = assert!(ACT_BYTES_MAX + 4 * 1024 < CHANGE_BYTES_MAX, "one act fits one change");
const _: () = assert!(PART_BYTES_MAX + 4 * 1024 < FRAME_BYTES_MAX, "a part fits a frame");
const _: () = assert!(PIECES_MAX * 32 + 2 * 1024 < PIECE_BYTES, "a manifest fits a part, and its row a value");
const _: () = assert!(2 * ERASED_MAX * 34 + 4_096 < CONTROL_BYTES_MAX, "an erase and its order fit a sealed payload");
const _: () = assert!(PARTS_ASKED_MAX <= PARTS_DUE_MAX, "what one asks for finds room at the giver");
const _: () = assert!(TEXT_BYTES_MAX < ACT_BYTES_MAX, "a text fits an act");
const _: () = assert!(ANCHOR_ACT_MS <= 10_000, "promised: within ten seconds of another bureau's act");
const _: () = assert!(SEGMENT_BYTES_TARGET <= SEGMENT_BYTES_MAX, "our own segments are acceptable");

/// An inventory of documents is taken when so many rows changed since the last. Few in a development build, so that every test passes through.
pub const INVENTORY_ROWS: usize = if cfg!(debug_assertions) { 16 } else { 65_536 };
/// And at least one in so many of all documents: what is written anew stays in proportion to what changed.
pub const INVENTORY_SHARE: usize = 8;
