//! Random operations on the mount and on a plain folder: both look the same after each, and the
//! store holds the same files at the end. A failure prints the seed that replays it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::stage::Stage;

const SEQUENCES: u64 = 4;
const STEPS: usize = 60;
const PATHS: [&str; 8] = ["a", "a/b", "a/b/c", "b", "b/a", "c", "c/x", "d"];
const TEXTS: [&str; 4] = ["", "one\n", "two and more\n", "3"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(&'static str, &'static str),
    Append(&'static str, &'static str),
    /// Into a temporary file, which is renamed.
    Replace(&'static str, &'static str),
    /// In place, at an offset.
    Patch(&'static str, u64),
    Cut(&'static str, u64),
    Rename(&'static str, &'static str),
    Remove(&'static str),
    MakeFolder(&'static str),
    RemoveFolder(&'static str),
    Sync(&'static str),
}

fn pick<T: Copy>(rng: &mut TestRng, items: &[T]) -> T {
    items[rng.next_u32() as usize % items.len()]
}

fn random_step(rng: &mut TestRng) -> Step {
    let (path, text) = (pick(rng, &PATHS), pick(rng, &TEXTS));
    match rng.next_u32() % 16 {
        0..3 => Step::Write(path, text),
        3..5 => Step::Append(path, text),
        5..7 => Step::Replace(path, text),
        7 => Step::Patch(path, u64::from(rng.next_u32() % 6)),
        8 => Step::Cut(path, u64::from(rng.next_u32() % 6)),
        9..12 => Step::Rename(path, pick(rng, &PATHS)),
        12 => Step::Remove(path),
        13 => Step::MakeFolder(path),
        14 => Step::RemoveFolder(path),
        _ => Step::Sync(path),
    }
}

/// Does a step below `root`; answers the error's number.
fn apply(root: &Path, step: Step) -> Result<(), Option<i32>> {
    let done = match step {
        Step::Write(path, text) => fs::write(root.join(path), text),
        Step::Append(path, text) => {
            let file = OpenOptions::new().append(true).create(true).open(root.join(path));
            file.and_then(|mut file| file.write_all(text.as_bytes()))
        }
        Step::Replace(path, text) => {
            let temporary = root.join(".tmp");
            fs::write(&temporary, text).unwrap();
            let done = fs::rename(&temporary, root.join(path));
            if done.is_err() {
                fs::remove_file(temporary).unwrap();
            }
            done
        }
        Step::Patch(path, at) => {
            let file = OpenOptions::new().write(true).open(root.join(path));
            file.and_then(|file| std::os::unix::fs::FileExt::write_all_at(&file, b"patch", at))
        }
        Step::Cut(path, size) => {
            let file = OpenOptions::new().write(true).open(root.join(path));
            file.and_then(|file| file.set_len(size))
        }
        Step::Rename(from, to) => fs::rename(root.join(from), root.join(to)),
        Step::Remove(path) => fs::remove_file(root.join(path)),
        Step::MakeFolder(path) => fs::create_dir(root.join(path)),
        Step::RemoveFolder(path) => fs::remove_dir(root.join(path)),
        Step::Sync(path) => fs::File::open(root.join(path)).and_then(|file| file.sync_all()),
    };
    done.map_err(|error| error.raw_os_error())
}

/// All below a folder: files with their bytes, folders without.
fn tree(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let bytes = path.is_file().then(|| fs::read(&path).unwrap());
            if bytes.is_none() {
                folders.push(path);
            }
            found.insert(name, bytes);
        }
    }
    found
}

fn run(stage: &Stage, seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let local = tempfile::tempdir().unwrap();
    let mount = stage.mount();
    let mut trace = Vec::new();
    for _ in 0..STEPS {
        let step = random_step(&mut rng);
        trace.push(step);
        let (real, wanted) = (apply(mount.at(), step), apply(local.path(), step));
        assert_eq!(real, wanted, "seed {seed}: {trace:#?}");
        assert_eq!(tree(mount.at()), tree(local.path()), "seed {seed}: {trace:#?}");
    }
    assert!(mount.stop().success());
    let files = tree(local.path()).into_iter();
    let files = files
        .filter_map(|(path, bytes)| Some((format!("/{path}"), String::from_utf8(bytes?).unwrap())));
    assert_eq!(stage.contents(), files.collect::<Vec<_>>(), "seed {seed}: {trace:#?}");
    assert_eq!(stage.spooled().len(), 0, "seed {seed}: {:?}", stage.spooled());
}

#[test]
fn random_operations_agree_with_a_plain_folder() {
    for seed in 0..SEQUENCES {
        let Some(stage) = Stage::new() else { return };
        run(&stage, seed);
    }
}
