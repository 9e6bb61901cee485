//! `memstored completions` and `memstored man`: what shells and man need, from the one definition of
//! the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::output::{Color, Out};
use super::{Cli, Done, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored completions bash > ~/.local/share/bash-completion/completions/memstored
  memstored completions zsh > ~/.zfunc/_memstored
  memstored completions fish > ~/.config/fish/completions/memstored.fish")]
pub struct Completions {
    shell: Shell,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored man | man -l -
  memstored man ~/.local/share/man/man1")]
pub struct Man {
    /// Folder for one page a command, made where it is missing; without it the page of memstored
    /// itself is printed
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn completions(completions: &Completions) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Cli::command(), "memstored", &mut script);
    print(&script)
}

pub fn man(man: &Man) -> Done {
    if let Some(dir) = &man.dir {
        return pages(dir);
    }
    let mut page = Vec::new();
    let rendered = Page::new(Cli::command()).render(&mut page);
    rendered.map_err(|error| Failure::Failed(format!("can't write the manual: {error}")))?;
    print(&page)
}

fn pages(dir: &Path) -> Done {
    let made = fs::create_dir_all(dir);
    let written = made.and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    written.map_err(|error| {
        Failure::Failed(format!("can't write the manual to {}: {error}", dir.display()))
    })
}

fn print(text: &[u8]) -> Done {
    let mut out = Out::new(Color::Never);
    out.raw(&String::from_utf8_lossy(text))?;
    out.flush()
}
