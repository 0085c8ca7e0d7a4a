//! Writes the seed corpus of the target `rules` into a folder: real changes, raw and as bodies, and a few lists of lies.

use std::path::PathBuf;

use accord_fuzz::{BODY, LIES, RAW, Scene};

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "corpus/rules".to_owned()));
    std::fs::create_dir_all(&folder)?;
    for (place, bytes) in Scene::new().changes.iter().enumerate() {
        // magic 4, checksum 4, type 1, then the length
        let length = bytes.iter().skip(9).take_while(|byte| **byte & 0x80 != 0).count() + 1;
        std::fs::write(folder.join(format!("raw-{place:02}")), [&[RAW], &bytes[..]].concat())?;
        std::fs::write(folder.join(format!("body-{place:02}")), [&[BODY], &bytes[9 + length..]].concat())?;
        let lies: Vec<u8> = (0..40u8).map(|step| step.wrapping_mul(37).wrapping_add(place as u8 * 11)).collect();
        std::fs::write(folder.join(format!("lies-{place:02}")), [&[LIES], &lies[..]].concat())?;
    }
    Ok(())
}
