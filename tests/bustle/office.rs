//! What an administrator does meanwhile, on the command line.

use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Stage;
use crate::dice::Dice;

const WEBHOOKS_USUAL: usize = 10;

/// Sends a signal, such as `-STOP`.
pub(crate) fn signal(signal: &str, process: u32) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(sent.expect("kill exists").success());
}

/// A command that has to end in time.
fn run(stage: &Stage, arguments: &[&str]) -> Result<Output, String> {
    let mut child = stage
        .server
        .command(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + stage.patience;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("{arguments:?} has not ended"));
        }
        sleep(Duration::from_millis(5));
    }
    Ok(child.wait_with_output().unwrap())
}

/// The same, and it has to succeed.
fn told(stage: &Stage, arguments: &[&str]) -> Result<String, String> {
    let output = run(stage, arguments)?;
    if !output.status.success() {
        return Err(format!("{arguments:?}: {output:?}"));
    }
    Ok(String::from_utf8(output.stdout).unwrap())
}

/// Adds a webhook, has one tried or asked, and removes one where there are many: each reads all
/// that happens.
pub(crate) fn change_webhooks(stage: &Stage, dice: &mut Dice) -> Result<(), String> {
    let url = &stage.receivers[usize::try_from(dice.below(3)).unwrap()];
    let since = ["--since=now", "--since=start"][usize::from(dice.below(4) == 0)];
    told(stage, &["webhook", "add", url, "--user", "alice", since])?;
    let listed = told(stage, &["webhook", "list", "--json"])?;
    let all: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let any = |dice: &mut Dice| {
        let one = usize::try_from(dice.below(all.len().max(1) as u64)).unwrap();
        all.get(one).map(|one| one["id"].as_str().unwrap())
    };
    // Another one may have removed it, and a receiver need not answer.
    if let Some(id) = any(dice) {
        let command = ["retry", "test"][usize::from(dice.below(2) == 0)];
        run(stage, &["webhook", command, id])?;
    }
    if let Some(id) = any(dice).filter(|_| all.len() > WEBHOOKS_USUAL) {
        run(stage, &["webhook", "remove", id])?;
    }
    Ok(())
}

/// Makes and removes what requests ask for.
pub(crate) fn change_accounts(stage: &Stage, dice: &mut Dice) -> Result<(), String> {
    let group = format!("group-{}", dice.below(3));
    told(stage, &["group", "add", &group])?;
    told(
        stage,
        &["grant", "set", "/team", "editor", "--group", &group],
    )?;
    told(stage, &["group", "remove", &group])?;
    told(stage, &["lock", "list"])?;
    Ok(())
}

/// Checks what is kept; stops in the middle or gives up now and then.
pub(crate) fn check(stage: &Stage, dice: &mut Dice) -> Result<(), String> {
    if dice.below(2) == 0 {
        told(stage, &["check", "--online"])?;
        return Ok(());
    }
    begin_and_kill(stage, dice, &["check", "--online"]);
    Ok(())
}

/// Backs up; stops in the middle, so that the server cannot tell it more, or gives up.
pub(crate) fn back_up(stage: &Stage, dice: &mut Dice) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup").display().to_string();
    if dice.below(2) == 0 {
        told(stage, &["backup", &to])?;
        return Ok(());
    }
    begin_and_kill(stage, dice, &["backup", &to]);
    Ok(())
}

fn begin_and_kill(stage: &Stage, dice: &mut Dice, arguments: &[&str]) {
    let mut command = stage.server.command(arguments);
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = silent.spawn().unwrap();
    sleep(Duration::from_millis(dice.below(100)));
    signal("-STOP", child.id());
    sleep(Duration::from_millis(dice.below(1_000)));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The check finds nothing.
pub(crate) fn assert_sound(stage: &Stage) {
    told(stage, &["check", "--online"]).unwrap_or_else(|fault| panic!("{fault}"));
}
