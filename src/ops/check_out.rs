//! Check-in and steal: how check-outs and freezes end without their token. They begin as every
//! lock does, by [`Dav::lock`] with a kind.

use super::events::{lock_ended, tell};
use super::gate::{asker, judge, refused, refusing};
use super::locking::{LockView, end_named, not_yours};
use super::visit::{Visit, visit};
use super::{Ask, Dav};
use crate::event::{FACTS_MAX, What};
use crate::lock::rules;
use crate::lock::{Lock, LockDepth, LockToken};
use crate::protocol::error::DavError;
use crate::protocol::headers::Safe;
use crate::rights::Privilege;
use crate::store::engine::Txn;
use crate::store::tx::Tx;

impl Dav {
    /// Ends the lock that `named` names, or without a name what a check-in means: the user's own
    /// check-out, else the user's own freeze, else for a holder of SuperCheckIn whatever stands.
    pub async fn check_in(
        &self,
        ask: &Ask,
        named: Option<LockToken>,
    ) -> Result<Vec<Lock>, DavError> {
        let ending = (ask, named);
        self.act(ask, &ending, |txn, (ask, named)| {
            Box::pin(async move {
                let mut tx = Tx::new(txn, ask.now);
                let visit = visit(&mut tx, ask).await?;
                judge(&mut tx, ask, &visit, Safe::No).await?;
                end_check_out(&mut tx, ask, &visit, *named).await
            })
        })
        .await
    }

    /// Takes a check-out over: in one transaction its owner's locks on the resource end and a
    /// check-out of the asking user begins. `named` is the lock that is meant to be replaced, so
    /// of several thieves one wins.
    pub async fn steal(&self, ask: &Ask, named: LockToken) -> Result<LockView, DavError> {
        self.require_room(0)?;
        // The thief may get over the limit, but never unnoticed by the next LOCK.
        let max = self.config.locks.per_user_max;
        let _one_more = self.lock_counts.begin(ask.principal.id, max);
        let stealing = (ask, named, LockToken::random());
        self.act(ask, &stealing, |txn, (ask, named, token)| {
            Box::pin(steal(txn, ask, *named, *token))
        })
        .await
    }
}

/// Ends what a check-in means, see [`Dav::check_in`].
pub(super) async fn end_check_out(
    tx: &mut Tx<'_>,
    ask: &Ask,
    visit: &Visit<'_>,
    named: Option<LockToken>,
) -> Result<Vec<Lock>, DavError> {
    let resource = visit.resource()?.id;
    if let Some(token) = named {
        return Ok(vec![end_named(tx, ask, visit, token).await?]);
    }
    visit.require_writing_credential()?;
    let here = tx.locks_on(resource).await?;
    if here.is_empty() {
        let above = tx.surroundings(&visit.walk, false).await?.covering;
        return Err(DavError::NotLocked(refusing(tx, visit, &above).await?));
    }
    let asker = asker(ask, &[], visit.super_check_in_at(resource));
    let ended = match rules::check_in(&asker, &here) {
        Ok(ended) => ended,
        Err(refusal) => return Err(not_yours(tx, visit, refusal).await?),
    };
    for ended in &ended {
        lock_ended(tx, ask, ended.lock(), visit.place())?;
        tx.end_lock(ended, &visit.walk).await?;
    }
    Ok(ended.iter().map(|ended| ended.lock().clone()).collect())
}

async fn steal(
    txn: &mut dyn Txn,
    ask: &Ask,
    named: LockToken,
    token: LockToken,
) -> Result<LockView, DavError> {
    let mut tx = Tx::new(txn, ask.now);
    let visit = visit(&mut tx, ask).await?;
    let resource = visit.resource()?.id;
    visit.require(Privilege::SuperCheckIn)?;
    judge(&mut tx, ask, &visit, Safe::No).await?;
    let around = tx.surroundings(&visit.walk, true).await?;
    let victim = around.here.iter().find(|lock| lock.token == named).cloned();
    let victim = victim.ok_or(DavError::TokenMismatch)?;
    if victim.depth == LockDepth::Infinity {
        // The heir covers what the victim covered, and a refusal names locks below.
        visit.require_below(&mut tx, Privilege::Lock).await?;
    }
    let heir = Lock {
        token,
        owner: ask.principal.id,
        holder: ask.principal.name.clone(),
        owner_xml: None,
        comment: None,
        since: ask.now,
        ..victim.clone()
    };
    let asker = asker(ask, &[], visit.super_check_in_at(resource));
    let (ended, granted) = match rules::steal(&asker, &victim, heir, &around) {
        Ok(stolen) => stolen,
        Err(refusal) => {
            return Err(refused(&mut tx, &visit, refusal, DavError::LockConflict).await?);
        }
    };
    for ended in &ended {
        tx.end_lock(ended, &visit.walk).await?;
    }
    tx.add_lock(&granted, &visit.walk.ancestor_ids())?;
    let lost = ended.iter().map(|ended| ended.lock().into());
    let what = What::Stolen {
        lock: granted.lock().into(),
        lost: lost.take(FACTS_MAX).collect(),
    };
    tell(&mut tx, ask, visit.place(), what)?;
    let href = visit.path.href(visit.resource()?.is_collection());
    let at_root = visit.privileges_at(resource);
    Ok(LockView::new(
        granted.lock().clone(),
        href,
        &ask.principal,
        at_root,
    ))
}
