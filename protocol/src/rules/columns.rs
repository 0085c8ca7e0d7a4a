//! The three column encodings of an Automerge change: runs, deltas and booleans. Readers stream and allocate nothing; writers produce the
//! one form Automerge itself produces.

use super::Malformed;
use super::leb::{Reader, put_signed, put_unsigned};

/// Reads a run-length column of unsigned integers with gaps.
///
/// Runs: signed `n > 0` then a value (n copies); `n < 0` then -n single values; `0` then an unsigned count of gaps.
pub(crate) struct Runs<'a> {
    reader: Reader<'a>,
    run: Run,
}

enum Run {
    Copies { value: Option<u64>, left: u64 },
    Singles { left: u64 },
}

impl<'a> Runs<'a> {
    pub(crate) fn new(column: &'a [u8]) -> Self {
        Self { reader: Reader::new(column), run: Run::Singles { left: 0 } }
    }

    /// The next entry; the outer `None` is the end of the column.
    pub(crate) fn next(&mut self) -> Result<Option<Option<u64>>, Malformed> {
        self.next_with(|reader| reader.unsigned())
    }

    fn next_with(&mut self, mut value: impl FnMut(&mut Reader<'a>) -> Result<u64, Malformed>) -> Result<Option<Option<u64>>, Malformed> {
        loop {
            match &mut self.run {
                Run::Copies { value, left } if *left > 0 => {
                    *left -= 1;
                    return Ok(Some(*value));
                }
                Run::Singles { left } if *left > 0 => {
                    *left -= 1;
                    return value(&mut self.reader).map(|value| Some(Some(value)));
                }
                _ if self.reader.is_empty() => return Ok(None),
                _ => {}
            }
            let count = self.reader.signed()?;
            self.run = match count {
                0 => Run::Copies { value: None, left: self.reader.unsigned()? },
                1.. => Run::Copies { value: Some(value(&mut self.reader)?), left: count.unsigned_abs() },
                _ => Run::Singles { left: count.unsigned_abs() },
            };
        }
    }
}

/// Reads a column of integers stored as differences from the entry before; gaps leave the running value alone.
pub(crate) struct Deltas<'a> {
    runs: Runs<'a>,
    last: i64,
}

impl<'a> Deltas<'a> {
    pub(crate) fn new(column: &'a [u8]) -> Self {
        Self { runs: Runs::new(column), last: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Option<i64>>, Malformed> {
        let Some(delta) = self.runs.next_with(|reader| reader.signed().map(i64::cast_unsigned))? else { return Ok(None) };
        let Some(delta) = delta else { return Ok(Some(None)) };
        self.last = self.last.checked_add(delta.cast_signed()).ok_or(Malformed::Integer)?;
        Ok(Some(Some(self.last)))
    }
}

/// Reads a boolean column: counts of false, true, false and so on.
pub(crate) struct Booleans<'a> {
    reader: Reader<'a>,
    value: bool,
    left: u64,
}

impl<'a> Booleans<'a> {
    pub(crate) fn new(column: &'a [u8]) -> Self {
        Self { reader: Reader::new(column), value: true, left: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Option<bool>, Malformed> {
        while self.left == 0 {
            if self.reader.is_empty() {
                return Ok(None);
            }
            self.left = self.reader.unsigned()?;
            self.value = !self.value;
        }
        self.left -= 1;
        Ok(Some(self.value))
    }
}

/// Reads a run-length column of strings with gaps. Our schema needs it for the two keys of a founding change only.
pub(crate) struct Keys<'a> {
    runs: Runs<'a>,
    last: &'a [u8],
}

impl<'a> Keys<'a> {
    pub(crate) fn new(column: &'a [u8]) -> Self {
        Self { runs: Runs::new(column), last: &[] }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Option<&'a [u8]>>, Malformed> {
        let last = &mut self.last;
        let entry = self.runs.next_with(|reader| {
            let len = reader.unsigned()?;
            *last = reader.take(len)?;
            Ok(0)
        })?;
        // A run of copies reads its string once, so the last one read is the one meant.
        Ok(entry.map(|value| value.map(|_| self.last)))
    }
}

/// What a run-length writer can store.
pub(crate) trait Entry: Copy + PartialEq {
    fn put(self, out: &mut Vec<u8>);
}

impl Entry for u64 {
    fn put(self, out: &mut Vec<u8>) {
        put_unsigned(out, self);
    }
}

impl Entry for i64 {
    fn put(self, out: &mut Vec<u8>) {
        put_signed(out, self);
    }
}

impl Entry for &str {
    fn put(self, out: &mut Vec<u8>) {
        put_unsigned(out, self.len() as u64);
        out.extend_from_slice(self.as_bytes());
    }
}

/// Appends `entries` as a run-length column. Two or more equal neighbours are a run; others gather into literal runs.
pub(crate) fn put_runs<T: Entry>(out: &mut Vec<u8>, entries: impl IntoIterator<Item = Option<T>>) {
    let mut singles: Vec<T> = Vec::new();
    let mut run: Option<(Option<T>, u64)> = None;
    for entry in entries {
        match &mut run {
            Some((value, count)) if *value == entry => *count += 1,
            _ => {
                close_run(out, &mut singles, run.take());
                run = Some((entry, 1));
            }
        }
    }
    close_run(out, &mut singles, run);
    put_singles(out, &mut singles);
}

fn close_run<T: Entry>(out: &mut Vec<u8>, singles: &mut Vec<T>, run: Option<(Option<T>, u64)>) {
    match run {
        None => {}
        Some((Some(value), 1)) => singles.push(value),
        Some((Some(value), count)) => {
            put_singles(out, singles);
            put_signed(out, count.cast_signed());
            value.put(out);
        }
        Some((None, count)) => {
            put_singles(out, singles);
            put_signed(out, 0);
            put_unsigned(out, count);
        }
    }
}

fn put_singles<T: Entry>(out: &mut Vec<u8>, singles: &mut Vec<T>) {
    if !singles.is_empty() {
        put_signed(out, -(singles.len() as u64).cast_signed());
        for value in singles.drain(..) {
            value.put(out);
        }
    }
}

/// As [`put_runs`], but a column of nothing but gaps is left out altogether.
pub(crate) fn put_runs_unless_empty<T: Entry>(out: &mut Vec<u8>, entries: impl Iterator<Item = Option<T>> + Clone) {
    if entries.clone().any(|entry| entry.is_some()) {
        put_runs(out, entries);
    }
}

/// Differences between neighbouring entries, from 0; gaps are passed through.
pub(crate) fn deltas(entries: impl Iterator<Item = Option<i64>> + Clone) -> impl Iterator<Item = Option<i64>> + Clone {
    entries.scan(0i64, |last, entry| {
        Some(entry.map(|value| {
            let delta = value.wrapping_sub(*last);
            *last = value;
            delta
        }))
    })
}

/// Appends `entries` as a boolean column.
pub(crate) fn put_booleans(out: &mut Vec<u8>, entries: impl IntoIterator<Item = bool>) {
    let (mut value, mut count) = (false, 0u64);
    for entry in entries {
        if entry != value {
            put_unsigned(out, count);
            (value, count) = (entry, 0);
        }
        count += 1;
    }
    if count > 0 {
        put_unsigned(out, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all<T>(mut next: impl FnMut() -> Result<Option<T>, Malformed>) -> Vec<T> {
        std::iter::from_fn(|| next().expect("written by us")).collect()
    }

    proptest! {
        #[test]
        fn columns_read_back_what_was_written(entries in proptest::collection::vec(proptest::option::of(0u64..4), 0..60)) {
            let mut out = Vec::new();
            put_runs(&mut out, entries.iter().copied());
            let mut runs = Runs::new(&out);
            prop_assert_eq!(read_all(|| runs.next()), entries.clone());

            let signed: Vec<Option<i64>> = entries.iter().map(|entry| entry.map(|value| value.cast_signed() * 7 - 9)).collect();
            let mut out = Vec::new();
            put_runs(&mut out, deltas(signed.iter().copied()));
            let mut column = Deltas::new(&out);
            prop_assert_eq!(read_all(|| column.next()), signed);

            let flags: Vec<bool> = entries.iter().map(Option::is_some).collect();
            let mut out = Vec::new();
            put_booleans(&mut out, flags.iter().copied());
            let mut column = Booleans::new(&out);
            prop_assert_eq!(read_all(|| column.next()), flags);

            let keys: Vec<Option<&str>> = entries.iter().map(|entry| entry.map(|value| ["acts", "text", "", "x"][value as usize])).collect();
            let mut out = Vec::new();
            put_runs(&mut out, keys.iter().copied());
            let mut column = Keys::new(&out);
            let read: Vec<Option<&[u8]>> = read_all(|| column.next());
            prop_assert_eq!(read, keys.iter().map(|key| key.map(str::as_bytes)).collect::<Vec<_>>());
        }

        #[test]
        fn no_column_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut runs = Runs::new(&bytes);
            let mut column = Deltas::new(&bytes);
            let mut flags = Booleans::new(&bytes);
            let mut keys = Keys::new(&bytes);
            for _ in 0..200 {
                let _ = (runs.next(), column.next(), flags.next(), keys.next());
            }
        }
    }

    #[test]
    fn flags_are_written_as_counts_that_begin_with_false() {
        for (flags, expected) in [
            (&[][..], &[][..]),
            (&[false], &[1]),
            (&[true], &[0, 1]),
            (&[false, false, true], &[2, 1]),
            (&[true, false, false], &[0, 1, 2]),
        ] {
            let mut out = Vec::new();
            put_booleans(&mut out, flags.iter().copied());
            assert_eq!(out, expected, "{flags:?}");
        }
    }
}
