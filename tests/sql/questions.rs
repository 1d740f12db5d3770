//! What editors, variables and ad-hoc filters ask.

use crate::fixture::{ALL, HOSTS, Kinds};

#[tokio::test]
async fn every_question_is_answered() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        fixture.write("CREATE TABLE other (label VARCHAR(10), x INTEGER)").await;
        assert_eq!(fixture.choices("tables").await, ["metrics", "other"], "{kind:?}");
        assert_eq!(fixture.choices("tables?search=METR").await, ["metrics"], "{kind:?}");
        assert_eq!(fixture.choices("tables?search=e_r").await, [""; 0], "{kind:?}: _ is no wildcard");
        assert_eq!(fixture.choices("tables?limit=1").await, ["metrics"], "{kind:?}");
        assert_eq!(fixture.choices("columns?table=metrics").await.len(), 12, "{kind:?}");
        let times = fixture.choices("columns?table=metrics&kind=time").await;
        assert_eq!(times[..2], ["at", "wall"], "{kind:?}");
        let numbers = fixture.choices("columns?table=metrics&kind=number").await;
        assert!(
            ["s", "cpu", "mem", "n", "up"].iter().all(|name| numbers.contains(&(*name).to_owned())),
            "{numbers:?}"
        );
        assert_eq!(fixture.choices("columns?table=metrics&kind=text").await, ["iso", "host"], "{kind:?}");
        assert_eq!(fixture.choices("tag-keys?table=metrics").await, ["host", "iso"], "{kind:?}");
        assert_eq!(fixture.choices("tag-keys").await, ["host", "iso", "label"], "{kind:?}");
        let mut hosts = HOSTS.map(str::to_owned).to_vec();
        hosts.sort();
        assert_eq!(fixture.choices("tag-values?key=host&table=metrics").await, hosts, "{kind:?}");
        assert_eq!(fixture.choices("tag-values?key=host").await, hosts, "{kind:?}");
        assert_eq!(fixture.choices("tag-values?key=host&search=BRIEN").await, [HOSTS[1]], "{kind:?}");
        assert_eq!(fixture.choices("tag-values").await, [""; 0], "{kind:?}");
        let databases = fixture.choices("databases").await;
        match kind {
            Kinds::Sqlite => assert_eq!(databases, [""; 0]),
            _ => assert!(databases.contains(&fixture.settings.database), "{databases:?}"),
        }
        if kind == Kinds::Postgresql {
            assert_eq!(fixture.choices("schemas").await, ["public"]);
            assert_eq!(fixture.choices("tables?schema=public").await, ["metrics", "other"]);
            assert_eq!(fixture.choices("tables?schema=nowhere").await, [""; 0]);
        }
        let source = outrider::source::connect(&fixture.settings).unwrap();
        let unknown = source.discover(&outrider::source::Question::parse("weather")).await.unwrap();
        assert!(unknown.is_none());
    }
}
