//! Writes all mutants of one file into it, each behind its switch.
//!
//! Text is inserted at bytes of the source and nothing is reprinted. An expression `E` becomes `(if crate::mutant(7){(M)}else{(E)})`, where `M` is the text
//! that cargo-mutants would leave there; it holds no switches, as one mutant is on at a time. Where its text would be read with other
//! precedence, the smallest expression around it that is read the same alone is taken for `E`.

use crate::list::Mutant;
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// A file with switches.
pub struct Spliced {
    /// The text.
    pub text: String,
    /// Which bytes of it are the text of which mutant.
    pub regions: Vec<(Range<usize>, u32)>,
    /// Which bytes of it are a switched expression with which mutants, the whole of it.
    pub sites: Vec<(Range<usize>, Vec<u32>)>,
    /// The functions that are `const` no more, by name, and the mutants that hang on that.
    pub freed: BTreeMap<String, Vec<u32>>,
    /// Which could not be written here, and why.
    pub left: BTreeMap<u32, &'static str>,
    /// Which no compiler would take.
    pub unviable: BTreeSet<u32>,
}

/// Writes `mutants` into `source`, without those in `dropped`, and leaving the functions `kept` constant.
pub fn splice(source: &str, mutants: &[&Mutant], dropped: &BTreeSet<u32>, kept: &BTreeSet<String>) -> Result<Spliced, syn::Error> {
    let file = syn::parse_file(source)?;
    let mut finder = Finder {
        source,
        mutants: mutants.iter().filter(|mutant| !dropped.contains(&mutant.id)).copied().collect(),
        kept,
        constant: 0,
        switches: BTreeMap::new(),
        bodies: Vec::new(),
        arms: Vec::new(),
        guards: BTreeMap::new(),
        constants: Vec::new(),
        freed: BTreeMap::new(),
        left: BTreeMap::new(),
        unviable: BTreeSet::new(),
    };
    finder.visit_file(&file);
    Ok(finder.write())
}

/// Mutants of one place, and their text.
type Values = Vec<(u32, String)>;

struct Finder<'a> {
    source: &'a str,
    mutants: Vec<&'a Mutant>,
    kept: &'a BTreeSet<String>,
    constant: usize,
    /// Expression (start, end) to the mutants of it and their text.
    switches: BTreeMap<(usize, usize), Values>,
    /// Body between its braces, its values, and whether its type has no name.
    bodies: Vec<(Range<usize>, Values, bool)>,
    /// Where an arm without guard ends its pattern.
    arms: Vec<(usize, u32)>,
    /// Guard: which mutant deletes the arm.
    guards: BTreeMap<(usize, usize), u32>,
    /// The word `const`.
    constants: Vec<Range<usize>>,
    freed: BTreeMap<String, Vec<u32>>,
    left: BTreeMap<u32, &'static str>,
    unviable: BTreeSet<u32>,
}

fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

impl<'a> Finder<'a> {
    fn at(&self, genre: &str, start: usize) -> Vec<&'a Mutant> {
        self.mutants.iter().filter(|mutant| mutant.genre == genre && mutant.start == start).copied().collect()
    }

    fn switch(&mut self, whole: Range<usize>, id: u32, text: String) {
        if self.constant > 0 {
            self.left.insert(id, "in a constant");
        } else {
            self.switches.entry((whole.start, whole.end)).or_default().push((id, text));
        }
    }

    /// `whole` with the bytes `part` replaced.
    fn replaced(&self, whole: &Range<usize>, part: Range<usize>, with: &str) -> String {
        [&self.source[whole.start..part.start], with, &self.source[part.end..whole.end]].concat()
    }

    fn function(&mut self, sig: &'a syn::Signature, block: &'a syn::Block, visit: impl FnOnce(&mut Self)) {
        let whole = range(block);
        let name = sig.ident.to_string();
        if let Some(word) = sig.constness {
            let inside: Vec<u32> = self.mutants.iter().filter(|one| whole.contains(&one.start)).map(|one| one.id).collect();
            if self.kept.contains(&name) {
                for id in inside {
                    self.left.insert(id, "in a function that constants need");
                }
                self.constant += 1;
                visit(self);
                self.constant -= 1;
                return;
            }
            if !inside.is_empty() {
                self.constants.push(range(&word));
                self.freed.entry(name).or_default().extend(inside);
            }
        }
        if let Some(first) = block.stmts.first() {
            let nameless = matches!(&sig.output, syn::ReturnType::Type(_, of) if matches!(**of, syn::Type::ImplTrait(_)));
            let values: Values =
                self.at("FnValue", range(first).start).iter().map(|mutant| (mutant.id, mutant.replacement.clone())).collect();
            if !values.is_empty() {
                self.bodies.push((whole.start + 1..whole.end - 1, values, nameless));
            }
        }
        visit(self);
    }

    /// A tree of operators that no parenthesis interrupts.
    fn operators(&mut self, root: &'a syn::ExprBinary) {
        let mut nodes = Vec::new();
        let mut leaves = Vec::new();
        flatten(root, &mut Vec::new(), &mut nodes, &mut leaves);
        if leaves.iter().any(|leaf| matches!(leaf, syn::Expr::Let(_))) {
            // `if let .. && ..`: there `||` is an error, and what stands between two `&&` is read alone.
            for mutant in self.at("BinaryOperator", range(&root.op).start) {
                self.unviable.insert(mutant.id);
            }
            self.visit_expr(&root.left);
            self.visit_expr(&root.right);
            return;
        }
        let whole = range(root);
        for path in nodes {
            let node = path.last().expect("a path ends with its node");
            let op = range(&node.op);
            for mutant in self.at("BinaryOperator", op.start) {
                let altered = self.replaced(&whole, op.clone(), &mutant.replacement);
                let Ok(altered) = syn::parse_str::<syn::Expr>(&altered) else {
                    self.unviable.insert(mutant.id);
                    continue;
                };
                let wanted = grouped(&altered, None);
                let same = path.iter().rev().find_map(|around| {
                    let part = range(*around);
                    let text = self.replaced(&part, op.clone(), &mutant.replacement);
                    let alone = grouped(&syn::parse_str::<syn::Expr>(&text).ok()?, None);
                    (grouped_binary(root, Some((&part, &alone))) == wanted).then_some((part, text))
                });
                match same {
                    Some((part, text)) => self.switch(part, mutant.id, text),
                    None => _ = self.left.insert(mutant.id, "precedence"),
                }
            }
        }
        for leaf in leaves {
            self.visit_expr(leaf);
        }
    }

    fn write(mut self) -> Spliced {
        // (place, before what stands there, nearness) -> what: pieces of text, some of them a mutant's.
        let mut inserts: Vec<((usize, bool, isize), Vec<Piece>)> = Vec::new();
        let length = |start: usize, end: usize| isize::try_from(end - start).expect("a file is small");
        let mut met: BTreeSet<u32> = self.left.keys().copied().chain(self.unviable.iter().copied()).collect();
        for ((start, end), alternatives) in &self.switches {
            met.extend(alternatives.iter().map(|(id, _)| *id));
            let mut before = vec![Piece::Open(alternatives.iter().map(|(id, _)| *id).collect()), Piece::plain("(")];
            if let Some(id) = self.guards.remove(&(*start, *end)) {
                met.insert(id);
                before =
                    vec![Piece::Open(vec![id]), Piece::plain("(!crate::mutant("), Piece::Mutant(id, id.to_string()), Piece::plain(")&&(")];
                before.push(Piece::Open(alternatives.iter().map(|(id, _)| *id).collect()));
                before.push(Piece::plain("("));
            }
            let deleted = before.len() > 2;
            for (id, text) in alternatives {
                before.push(Piece::plain(&format!("if crate::mutant({id}){{(")));
                before.push(Piece::Mutant(*id, text.clone()));
                before.push(Piece::plain(")}else "));
            }
            before.push(Piece::plain("{("));
            let mut behind = vec![Piece::plain(")})"), Piece::Close];
            if deleted {
                behind.extend([Piece::plain("))"), Piece::Close]);
            }
            inserts.push(((*start, true, -length(*start, *end)), before));
            inserts.push(((*end, false, length(*start, *end)), behind));
        }
        for ((start, end), id) in &self.guards {
            met.insert(*id);
            let before =
                vec![Piece::Open(vec![*id]), Piece::plain("(!crate::mutant("), Piece::Mutant(*id, id.to_string()), Piece::plain(")&&(")];
            // Outside of a switch on the same expression, which there is none of here.
            inserts.push(((*start, true, -length(*start, *end)), before));
            inserts.push(((*end, false, length(*start, *end)), vec![Piece::plain("))"), Piece::Close]));
        }
        for (place, id) in &self.arms {
            met.insert(*id);
            let text =
                vec![Piece::Open(vec![*id]), Piece::plain(" if "), Piece::Mutant(*id, format!("!crate::mutant({id})")), Piece::Close];
            inserts.push(((*place, false, isize::MAX), text));
        }
        for (body, values, nameless) in &self.bodies {
            met.extend(values.iter().map(|(id, _)| *id));
            let mut before = vec![Piece::Open(values.iter().map(|(id, _)| *id).collect())];
            let mut behind = Vec::new();
            for (id, text) in values {
                let (open, close) =
                    if *nameless { ("crate::switch::Either::Left(", ")}else{crate::switch::Either::Right({") } else { ("return ", "}") };
                before.push(Piece::plain(&format!("if crate::mutant({id}){{{open}")));
                before.push(Piece::Mutant(*id, text.clone()));
                before.push(Piece::plain(close));
                if *nameless {
                    behind.push(Piece::plain("})}"));
                }
            }
            behind.push(Piece::Close);
            if *nameless {
                inserts.push(((body.end, false, isize::MAX), behind));
            } else {
                before.push(Piece::Close);
            }
            inserts.push(((body.start, true, isize::MIN), before));
        }
        inserts.sort_by_key(|(key, _)| *key);

        let mut text = String::new();
        let mut regions = Vec::new();
        let mut sites = Vec::new();
        let mut open: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut done = 0;
        let source = self.source;
        let constants = &self.constants;
        let copy = |text: &mut String, from: usize, to: usize| {
            let words: Vec<&Range<usize>> = constants.iter().filter(|word| from <= word.start && word.end <= to).collect();
            let mut from = from;
            for word in words {
                text.push_str(&source[from..word.start]);
                from = word.end;
            }
            text.push_str(&source[from..to]);
        };
        for ((place, _, _), pieces) in inserts {
            copy(&mut text, done, place);
            done = place;
            for piece in pieces {
                match piece {
                    Piece::Plain(plain) => text.push_str(&plain),
                    Piece::Mutant(id, altered) => {
                        let start = text.len();
                        text.push_str(&altered);
                        regions.push((start..text.len(), id));
                    }
                    Piece::Open(ids) => open.push((text.len(), ids)),
                    Piece::Close => {
                        let (start, ids) = open.pop().expect("what is closed was opened");
                        sites.push((start..text.len(), ids));
                    }
                }
            }
        }
        copy(&mut text, done, source.len());
        for mutant in &self.mutants {
            if !met.contains(&mutant.id) {
                self.left.insert(mutant.id, "not found in the syntax tree");
            }
        }
        Spliced { text, regions, sites, freed: self.freed, left: self.left, unviable: self.unviable }
    }
}

enum Piece {
    Plain(String),
    Mutant(u32, String),
    Open(Vec<u32>),
    Close,
}

impl Piece {
    fn plain(text: &str) -> Self {
        Piece::Plain(text.to_owned())
    }
}

/// All operators of a tree, each with the path that leads to it, and what they join.
fn flatten<'a>(
    node: &'a syn::ExprBinary,
    path: &mut Vec<&'a syn::ExprBinary>,
    nodes: &mut Vec<Vec<&'a syn::ExprBinary>>,
    leaves: &mut Vec<&'a syn::Expr>,
) {
    path.push(node);
    nodes.push(path.clone());
    for side in [&*node.left, &*node.right] {
        match side {
            syn::Expr::Binary(inner) => flatten(inner, path, nodes, leaves),
            leaf => leaves.push(leaf),
        }
    }
    path.pop();
}

/// The expression with a parenthesis around each operation; the bytes `swap` of the source stand for another text that is so written.
fn grouped(expr: &syn::Expr, swap: Option<(&Range<usize>, &str)>) -> String {
    match expr {
        syn::Expr::Binary(binary) => grouped_binary(binary, swap),
        leaf => leaf.to_token_stream().to_string(),
    }
}

fn grouped_binary(binary: &syn::ExprBinary, swap: Option<(&Range<usize>, &str)>) -> String {
    match swap {
        Some((part, text)) if *part == range(binary) => text.to_owned(),
        _ => format!("({} {} {})", grouped(&binary.left, swap), binary.op.to_token_stream(), grouped(&binary.right, swap)),
    }
}

impl<'a> Visit<'a> for Finder<'a> {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig, &item.block, |this| syn::visit::visit_item_fn(this, item));
    }
    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig, &item.block, |this| syn::visit::visit_impl_item_fn(this, item));
    }
    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        match &item.default {
            Some(block) => self.function(&item.sig, block, |this| syn::visit::visit_trait_item_fn(this, item)),
            None => syn::visit::visit_trait_item_fn(self, item),
        }
    }
    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.constant += 1;
        syn::visit::visit_item_const(self, item);
        self.constant -= 1;
    }
    fn visit_item_static(&mut self, item: &'a syn::ItemStatic) {
        self.constant += 1;
        syn::visit::visit_item_static(self, item);
        self.constant -= 1;
    }
    fn visit_impl_item_const(&mut self, item: &'a syn::ImplItemConst) {
        self.constant += 1;
        syn::visit::visit_impl_item_const(self, item);
        self.constant -= 1;
    }
    fn visit_type_array(&mut self, item: &'a syn::TypeArray) {
        self.constant += 1;
        syn::visit::visit_type_array(self, item);
        self.constant -= 1;
    }
    fn visit_expr_repeat(&mut self, item: &'a syn::ExprRepeat) {
        self.visit_expr(&item.expr);
        self.constant += 1;
        self.visit_expr(&item.len);
        self.constant -= 1;
    }
    fn visit_expr_binary(&mut self, root: &'a syn::ExprBinary) {
        self.operators(root);
    }
    fn visit_expr_unary(&mut self, unary: &'a syn::ExprUnary) {
        let (whole, op) = (range(unary), range(&unary.op));
        for mutant in self.at("UnaryOperator", op.start) {
            let text = self.replaced(&whole, op.clone(), &mutant.replacement);
            self.switch(whole.clone(), mutant.id, text);
        }
        syn::visit::visit_expr_unary(self, unary);
    }
    fn visit_expr_struct(&mut self, made: &'a syn::ExprStruct) {
        let whole = range(made);
        for field in &made.fields {
            for mutant in self.at("StructField", range(field).start) {
                let text = self.replaced(&whole, mutant.start..mutant.end, &mutant.replacement);
                self.switch(whole.clone(), mutant.id, text);
            }
        }
        syn::visit::visit_expr_struct(self, made);
    }
    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        let guard = arm.guard.as_ref().map(|(_, guard)| range(&**guard));
        for mutant in self.at("MatchArm", range(arm).start) {
            match &guard {
                _ if self.constant > 0 => _ = self.left.insert(mutant.id, "in a constant"),
                Some(guard) => _ = self.guards.insert((guard.start, guard.end), mutant.id),
                None => self.arms.push((range(&arm.pat).end, mutant.id)),
            }
        }
        if let Some(guard) = guard {
            for mutant in self.at("MatchArmGuard", guard.start) {
                self.switch(guard.clone(), mutant.id, mutant.replacement.clone());
            }
        }
        syn::visit::visit_arm(self, arm);
    }
}
