use tokio::time::timeout;

use super::*;
use crate::ops::access::{self, NewUser};
use crate::ops::webhooks::{self, Begin, NewWebhook};

const NOW: Timestamp = Timestamp(1_000_000);

/// Whoever stops here stops for ever, so it may be long.
const TIME_MAX: Duration = Duration::from_secs(60);

async fn add_and_remove(dav: Arc<Dav>) {
    for _ in 0..300 {
        let new = NewWebhook {
            url: "http://127.0.0.1:9/".to_owned(),
            user: "alice".to_owned(),
            path: None,
            since: Begin::Now,
        };
        let (webhook, _) = webhooks::add(&dav, new, NOW).await.unwrap();
        webhooks::remove(&dav, &webhook.id.to_string())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_for_webhooks_keeps_nobody_out_of_the_store() {
    let dav = Dav::memory(NOW).await;
    let alice = NewUser::new("alice", "correct horse".to_owned().into());
    access::add(&dav, alice, NOW).await.unwrap();
    let courier = Arc::new(HttpCourier::new(&dav.config().webhooks));
    let mut tasks = JoinSet::new();
    tasks.spawn(deliver(Arc::clone(&dav), courier, Arc::default()));
    let work = async {
        let mut working = JoinSet::new();
        for _ in 0..4 {
            working.spawn(add_and_remove(Arc::clone(&dav)));
        }
        working.join_all().await
    };
    let ended = timeout(TIME_MAX, work).await;
    assert!(ended.is_ok(), "nobody gets into the store any more");
}
