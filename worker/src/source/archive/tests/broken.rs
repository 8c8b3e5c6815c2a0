//! Archives that are broken: each error names the file and the member.

use super::*;

/// What is wrong with it, and the code and words of the error that names it.
fn broken() -> Vec<(&'static str, Members, &'static str, &'static str)> {
    let good = || shapes().remove(0).1;
    let with = |edit: &dyn Fn(&mut Members)| {
        let mut members = good();
        edit(&mut members);
        members
    };
    let replace = |name: &'static str, content: &'static str| {
        with(&|members: &mut Members| {
            members.retain(|(known, _)| known != name);
            members.push((name.to_owned(), content.as_bytes().to_vec()));
        })
    };
    let swapped = {
        let config = format!("{}.json", Digest::of(config(&[LOW, HIGH]).as_bytes()).hex());
        with(&|members| {
            members.iter_mut().filter(|(name, _)| *name == config).for_each(|(_, text)| text.push(b' '))
        })
    };
    vec![
        (
            "missing layer",
            with(&|members| members.retain(|(name, _)| !name.starts_with("two"))),
            "malformed",
            "two/layer.tar",
        ),
        (
            "missing config",
            with(&|members| members.retain(|(name, _)| !name.ends_with("json") || name == "manifest.json")),
            "malformed",
            "no member",
        ),
        ("config of another digest", swapped, "digest-mismatch", "configuration"),
        (
            "no list",
            with(&|members| members.retain(|(name, _)| name != "manifest.json")),
            "malformed",
            "manifest.json",
        ),
        ("a list that is none", replace("manifest.json", "{}"), "malformed", "manifest.json"),
        ("an empty list", replace("manifest.json", "[]"), "malformed", "holds no image"),
        (
            "a list without layers",
            replace("manifest.json", r#"[{"Config":"x"}]"#),
            "malformed",
            "no member x",
        ),
        (
            "a list that wants out",
            replace("manifest.json", r#"[{"Config":"../../../etc/passwd"}]"#),
            "malformed",
            "no member ../../../etc/passwd",
        ),
        (
            "a list twice",
            with(&|members| members.push(("./manifest.json".to_owned(), b"[]".to_vec()))),
            "malformed",
            "there twice",
        ),
        ("a layer that is a loop", replace("two/layer.tar", "->layer.tar"), "malformed", "leads nowhere"),
    ]
}

#[tokio::test]
async fn what_is_broken_names_the_file_and_the_member() {
    let place = Place::new();
    for (number, (case, members, code, words)) in broken().into_iter().enumerate() {
        let path = place.write(&format!("{number}.tar"), &tar(&members));
        let error = place.image(&format!("docker-archive:{path}")).await.unwrap_err();
        assert_eq!((error.code, error.later), (code, false), "{case}: {}", error.message);
        assert!(error.message.contains(words) && error.message.contains(&path), "{case}: {}", error.message);
    }
    let whole = tar(&shapes().remove(0).1);
    let cut = place.write("cut.tar", &whole[..1100]);
    let text = place.write("text.tar", b"not a tar at all");
    let empty = place.write("empty.tar", b"");
    let odd = place.write("odd.tar", &tar(&vec![("etc/passwd".to_owned(), b"x".to_vec())]));
    for (path, words) in
        [(cut, "truncated"), (text, "truncated"), (empty, "truncated"), (odd, "no image archive")]
    {
        let error = place.archives.expand(&path).await.unwrap_err();
        assert_eq!((error.code, error.later), ("malformed", false), "{}", error.message);
        assert!(error.message.contains(words) && error.message.contains(&path), "{}", error.message);
    }
}
