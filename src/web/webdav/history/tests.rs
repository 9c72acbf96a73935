//! What no other face can prepare yet: labels.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;

use super::*;
use crate::event::Face;
use crate::lock::UserId;
use crate::ops::Ask;
use crate::ops::content::Manner;
use crate::ops::intake::Intake;
use crate::rights::Scope;

const NOW: Timestamp = Timestamp(1_000);

fn alice() -> Principal {
    Principal {
        id: UserId(uuid::Uuid::from_u128(1)),
        name: "alice".to_owned(),
        admin: false,
        scope: Scope::default(),
    }
}

/// `/plan.txt` in two versions, of which the first has this label.
async fn labelled(label: &str) -> Arc<Dav> {
    let dav = Dav::memory(NOW).await;
    let path = DavPath::parse("/plan.txt", 4096).expect("a path");
    let ask = Ask::new(alice(), NOW, (Face::WebDav, "test".to_owned()), path);
    for _ in 0..2 {
        let mut intake = Intake::new(&dav, None).expect("room");
        let bytes = Bytes::from_static(b"text");
        intake.push(bytes).await.expect("room");
        let content = intake.finish(None).await.expect("written");
        let uploaded = dav.upload(&ask, content, Manner::default()).await;
        uploaded.expect("uploaded");
    }
    dav.label(&ask, 1, Some(label)).await.expect("labelled");
    dav
}

async fn asked(dav: &Arc<Dav>, method: &str, path: &str, body: &'static str) -> String {
    let request = Request::builder().method(method).uri(path);
    let body = RequestBody::from(Bytes::from_static(body.as_bytes()));
    let request = request.body(body).expect("a request");
    let response = respond(dav, &alice(), NOW, request).await;
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body");
    let text = String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8");
    assert!(status.is_success(), "{method} {path}: {status} {text}");
    text
}

#[tokio::test]
async fn labels_are_told() {
    let dav = labelled("to <Bob>").await;
    let report = asked(
        &dav,
        "REPORT",
        "/.lockkeeper/history/plan.txt/plan%20(version%202).txt",
        "<version-tree xmlns='DAV:'><prop><comment/><label-name-set/></prop></version-tree>",
    )
    .await;
    let first = "<D:comment>to &lt;Bob&gt;</D:comment><D:label-name-set><D:label-name>to \
                 &lt;Bob&gt;</D:label-name></D:label-name-set></D:prop>";
    let second = "<D:prop><D:label-name-set/></D:prop><D:status>HTTP/1.1 200 OK</D:status>\
                  </D:propstat><D:propstat><D:prop><D:comment/></D:prop>";
    let at = |part: &str| {
        report
            .find(part)
            .unwrap_or_else(|| panic!("{part}: {report}"))
    };
    assert!(at(first) < at(second), "{report}");

    let page = asked(&dav, "GET", "/.lockkeeper/history/plan.txt", "").await;
    assert!(page.contains("to &lt;Bob&gt;</tr>"), "{page}");
}
