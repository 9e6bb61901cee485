//! docs/cli.md is what happens: its commands are run, in order, and print what it says.

use std::collections::HashMap;
use std::process::{Command, Stdio};

use super::stage::Stage;

const PAGE: &str = include_str!("../../../docs/cli.md");

/// The page's commands, each with the lines below it.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for block in PAGE.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => commands.push((command.to_owned(), Vec::new())),
                None => commands.last_mut().unwrap().1.push(line.to_owned()),
            }
        }
    }
    commands
}

/// Splits a line at its IDs and times; both have fixed forms.
fn parts(line: &str) -> (String, Vec<String>) {
    let (mut masked, mut found) = (String::new(), Vec::new());
    let mut rest = line;
    while !rest.is_empty() {
        let length = id(rest).or_else(|| time(rest));
        let Some(length) = length else {
            let next = rest.chars().next().unwrap();
            masked.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        let (part, after) = rest.split_at(length);
        masked.push_str(part.split_once('_').map_or("TIME", |(prefix, _)| prefix));
        found.push(part.to_owned());
        rest = after;
    }
    (masked, found)
}

fn id(text: &str) -> Option<usize> {
    let prefix = ["memver_", "memstore_", "mem_", "sesn_", "apikey_", "req_"];
    let prefix = prefix.iter().find(|prefix| text.starts_with(**prefix))?;
    let rest = text[prefix.len()..].bytes().take(26);
    (rest.filter(u8::is_ascii_alphanumeric).count() == 26).then_some(prefix.len() + 26)
}

fn time(text: &str) -> Option<usize> {
    let long = text.get(..27).filter(|time| time.ends_with('Z') && time.as_bytes()[10] == b'T');
    let short = || text.get(..20).filter(|time| time.ends_with('Z') && time.as_bytes()[4] == b'-');
    long.or_else(short).filter(|time| time.starts_with("20")).map(str::len)
}

#[test]
fn the_tour_happens_as_it_is_told() {
    let (stage, _) = Stage::incident();
    // What an ID of the page is called here.
    let mut known: HashMap<String, String> = HashMap::new();
    for (command, expected) in commands() {
        let (mut here, mut rest) = (String::new(), &*command);
        while !rest.is_empty() {
            let length = id(rest).unwrap_or_else(|| rest.chars().next().unwrap().len_utf8());
            let (part, after) = rest.split_at(length);
            let is_id = id(part).is_some();
            let named = is_id.then(|| known.get(part).unwrap_or_else(|| panic!("{part} is new")));
            here.push_str(named.map_or(part, |named| named));
            rest = after;
        }
        let told = shell(&stage, &here);
        let told: Vec<_> = told.lines().collect();
        assert_eq!(told.len(), expected.len(), "{command}:\n{}", told.join("\n"));
        for (told, expected) in told.iter().zip(&expected) {
            let ((told_masked, told_parts), (masked, parts)) = (parts(told), parts(expected));
            assert_eq!(told_masked, masked, "{command}: {told}");
            for (part, told) in parts.into_iter().zip(told_parts) {
                if id(&part).is_some() {
                    let named = known.entry(part).or_insert_with(|| told.clone());
                    assert_eq!(*named, told, "{command}: another ID than before");
                }
            }
        }
    }
}

fn shell(stage: &Stage, command: &str) -> String {
    let program = stage.command(&[]);
    let bin = std::path::Path::new(program.get_program()).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("({command}) 2>&1")).current_dir(stage.folder.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let path = ["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned).join(":");
    shell.env("PATH", format!("{}:{path}", bin.display())).env("HOME", stage.folder.path());
    let output = shell.stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_names_every_verb_and_every_flag_of_it() {
    let stage = Stage::new();
    let help = stage.told(&["--help"]);
    let verbs = [
        "stores",
        "ls",
        "cat",
        "put",
        "mv",
        "rm",
        "log",
        "show",
        "diff",
        "blame",
        "restore",
        "undo",
        "redact",
        "journal",
        "stat",
        "export",
        "import",
        "watch",
        "whoami",
        "completions",
        "man",
    ];
    for verb in verbs {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in --help");
        assert!(PAGE.contains(&format!("memstored {verb}")), "{verb} in docs/cli.md");
        let help = stage.told(&[verb, "--help"]);
        let flags = help.split_whitespace().filter(|word| word.starts_with("--"));
        for flag in flags.map(|flag| flag.trim_end_matches([',', '.', ':', ';', ')', ']'])) {
            let own = ["--url", "--api-key", "--help", "--color", "--json", "--store"];
            // Examples have flags of other programs.
            let foreign = help.contains(&format!("git log {flag}")) || flag.contains('=');
            if !own.contains(&flag) && !foreign && flag.len() > 2 {
                assert!(PAGE.contains(flag), "{flag} of {verb} in docs/cli.md");
            }
        }
    }
}
