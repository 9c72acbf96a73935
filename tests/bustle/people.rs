//! People at work on the same few files.

use crate::Stage;
use crate::common::{Client, LOCK_EXCLUSIVE};
use crate::dice::Dice;

/// So few that all are in one another's way.
const NAMES: u64 = 6;
const PROPERTY: &str = "<propertyupdate xmlns='DAV:'><set><prop><c xmlns='x:'>blue</c></prop></set>\
                        </propertyupdate>";

fn any_name(dice: &mut Dice) -> String {
    format!("/team/{}", dice.below(NAMES))
}

/// Inline or in a file of its own.
fn any_content(dice: &mut Dice) -> Vec<u8> {
    let length = [10, 3_000, 50_000, 400_000][usize::try_from(dice.below(4)).unwrap()];
    vec![b'x'; length]
}

pub(crate) fn work(stage: &Stage, dice: &mut Dice) -> Result<(), String> {
    let client = [&stage.alice, &stage.bob][usize::from(dice.below(2) == 0)];
    let name = any_name(dice);
    let to = client.url(&any_name(dice));
    let to = [("Destination", to.as_str())];
    let ask = |method, headers: &[_], body: &[u8]| stage.ask(client, method, &name, headers, body);
    match dice.below(10) {
        0 | 1 => return save(stage, client, &name, dice),
        2 => ask("PUT", &[], &any_content(dice))?,
        3 | 4 => ask("GET", &[], b"")?,
        5 => ask("PROPPATCH", &[], PROPERTY.as_bytes())?,
        6 => ask("MOVE", &to, b"")?,
        7 => ask("COPY", &to, b"")?,
        8 => ask("DELETE", &[], b"")?,
        _ => stage.ask(client, "PROPFIND", "/team/", &[("Depth", "1")], b"")?,
    };
    Ok(())
}

/// As an office application does it, sometimes with a check-out.
fn save(stage: &Stage, client: &Client, name: &str, dice: &mut Dice) -> Result<(), String> {
    let time = ["Second-60", "Infinite"][usize::from(dice.below(4) == 0)];
    let headers = [("Depth", "0"), ("Timeout", time)];
    let locked = stage.ask(client, "LOCK", name, &headers, LOCK_EXCLUSIVE.as_bytes())?;
    if locked.status >= 300 {
        return Ok(());
    }
    let token = locked.lock_token();
    let bearing = [("If", &*format!("(<{token}>)"))];
    let saved = stage.ask(client, "PUT", name, &bearing, &any_content(dice))?;
    let of_token = [("Lock-Token", &*format!("<{token}>"))];
    let unlocked = stage.ask(client, "UNLOCK", name, &of_token, b"")?;
    // The other one is the same user at another desk, and may have moved or ended it.
    if [saved.status, unlocked.status]
        .iter()
        .any(|status| *status == 401 || *status == 403)
    {
        return Err(format!("{name}: {saved} {unlocked}"));
    }
    Ok(())
}
