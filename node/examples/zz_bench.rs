use accord_node::store::*;
use accord_protocol::{id::DocumentId, step::*};
use std::os::unix::fs::FileExt;
use std::time::Instant;
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    for (name, n, per, size) in
        [("1 item 300B + 2 puts", 2000u64, 1u64, 300usize), ("100 x 500B items", 1000, 100, 500), ("1 x 4KiB", 2000, 1, 4096)]
    {
        let path = std::path::Path::new(&dir).join(format!("s{per}{size}"));
        let mut s = Store::create(&path, &StoreKey::new([1; 32])).unwrap();
        let mut seq = 0;
        let t = Instant::now();
        let mut lat = vec![];
        for i in 0..n {
            let mut w = vec![];
            for j in 0..per {
                seq += 1;
                let mut d = [0u8; 32];
                d[..8].copy_from_slice(&((i * 7 + j) % 200).to_be_bytes());
                w.push(Write::Item { document: DocumentId(d), seq, body: vec![i as u8; size] });
            }
            if per == 1 {
                w.push(Write::Put { table: Table::Local, key: vec![1], value: Some(i.to_be_bytes().to_vec()) });
                w.push(Write::Put { table: Table::Acknowledged, key: vec![i as u8; 32], value: Some(vec![3; 60]) });
            }
            let a = Instant::now();
            s.commit(&w).unwrap();
            lat.push(a.elapsed());
        }
        let ours = n as f64 / t.elapsed().as_secs_f64();
        let bytes = s.size().journal;
        lat.sort();
        let f = std::fs::OpenOptions::new().create(true).write(true).open(std::path::Path::new(&dir).join("raw")).unwrap();
        let frame = vec![0x5a; (bytes / n) as usize];
        let t = Instant::now();
        let mut at = 0;
        for _ in 0..n {
            f.write_all_at(&frame, at).unwrap();
            at += frame.len() as u64;
            f.sync_data().unwrap();
        }
        let raw = n as f64 / t.elapsed().as_secs_f64();
        println!(
            "{name}: ours {ours:.0}/s p50 {:?} p99 {:?}; raw append {} B + fdatasync {raw:.0}/s; ratio {:.2}; size {:?}",
            lat[lat.len() / 2],
            lat[lat.len() * 99 / 100],
            frame.len(),
            ours / raw,
            s.size()
        );
        let t = Instant::now();
        drop(s);
        let (s, r) = Store::open(&path, &StoreKey::new([1; 32]), &mut |_| {}).unwrap_or_else(|e| panic!("{e}"));
        println!("  reopen {:?} {:?}", t.elapsed(), r);
        let t = Instant::now();
        let mut k = 0;
        for d in s.document_ids().unwrap() {
            k += s.items(&d, 0).unwrap().len();
        }
        println!("  read {k} items {:?}", t.elapsed());
        let t = Instant::now();
        s.close().unwrap();
        println!("  close {:?}", t.elapsed());
        std::fs::remove_dir_all(path.join("index")).unwrap();
        let t = Instant::now();
        let (_s, r) = Store::open(&path, &StoreKey::new([1; 32]), &mut |_| {}).unwrap();
        println!("  rebuild {:?} {:?}", t.elapsed(), r.index);
    }
}
