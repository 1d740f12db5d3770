//! What the answer to `SHOW GRANTS` of MySQL and MariaDB lets a user do besides reading.
//!
//! MariaDB lists the grants of the roles that are active, MySQL only names the roles.

use std::collections::BTreeSet;

/// What a user who only reads does not need. To read files is more than to read tables.
const WRITING: [&str; 6] = ["ALTER", "CREATE", "DELETE", "DROP", "INSERT", "UPDATE"];
const OF_SERVER: [(&str, &str); 2] =
    [("FILE", "may read and write files of the server"), ("SUPER", "may administer the server")];

/// Privileges with the places that they hold in.
#[derive(Default)]
struct Scope {
    privileges: BTreeSet<String>,
    places: BTreeSet<String>,
}

/// In words, what `grants`, a line each, allow besides reading tables.
pub(super) fn besides_reading(grants: &[String]) -> Vec<String> {
    let (mut everywhere, mut databases, mut tables) = (Scope::default(), Scope::default(), Scope::default());
    let mut roles = BTreeSet::new();
    for line in grants {
        let Some(rest) = line.strip_prefix("GRANT ") else { continue };
        let Some((privileges, rest)) = split(rest, " ON ") else {
            // To a role of MySQL belongs a host, to one of MariaDB none.
            let role = split(rest, " TO ").map_or(rest, |(role, _)| role);
            if role.contains("`@`") {
                roles.insert(role.to_owned());
            }
            continue;
        };
        let place = split(rest, " TO ").map_or(rest, |(place, _)| place);
        let (scope, name) = match place.strip_suffix(".*") {
            Some("*") => (&mut everywhere, String::new()),
            Some(database) => (&mut databases, plain(database)),
            None => (&mut tables, plain(place)),
        };
        let is_server = name.is_empty();
        let interesting = |name: &str| {
            WRITING.contains(&name) || is_server && OF_SERVER.iter().any(|(server, _)| *server == name)
        };
        let mut found = false;
        for privilege in names(privileges) {
            let all = || WRITING.into_iter().chain(OF_SERVER.map(|(name, _)| name));
            let meant: Vec<&str> =
                if privilege == "ALL PRIVILEGES" { all().collect() } else { vec![privilege] };
            for name in meant.into_iter().filter(|name| interesting(name)) {
                found = true;
                scope.privileges.insert(name.to_owned());
            }
        }
        if found {
            scope.places.insert(name);
        }
    }
    let mut words = Vec::new();
    for (name, says) in OF_SERVER {
        if everywhere.privileges.remove(name) {
            words.push(says.to_owned());
        }
    }
    for (scope, place) in
        [(&everywhere, "everywhere"), (&databases, "in databases such as"), (&tables, "in tables such as")]
    {
        if !scope.privileges.is_empty() {
            let list: Vec<&str> = scope.privileges.iter().map(String::as_str).collect();
            let first = scope.places.first().map_or("", String::as_str);
            words.push(format!("may {} {place} {first}", list.join(", ")).trim_end().to_owned());
        }
    }
    if let Some(role) = roles.first() {
        words.push(format!("has roles such as {role}, whose rights are not known here"));
    }
    words
}

/// The two sides of the first `separator` that is neither in a quoted name nor in brackets.
fn split<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let (mut is_quoted, mut depth) = (false, 0_usize);
    for (at, character) in text.char_indices() {
        match character {
            '`' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !is_quoted && depth == 0 && text[at..].starts_with(separator) {
            return Some((&text[..at], &text[at + separator.len()..]));
        }
    }
    None
}

/// The names of a list of privileges, without the columns that they are for.
fn names(privileges: &str) -> Vec<&str> {
    let (mut names, mut rest) = (Vec::new(), privileges);
    while let Some((name, next)) = split(rest, ", ") {
        names.push(name);
        rest = next;
    }
    names.push(rest);
    names.into_iter().map(|name| name.split(" (").next().unwrap_or(name)).collect()
}

/// A name as people write it: quotes away, and the backslashes of patterns.
fn plain(name: &str) -> String {
    let kept = name.replace("``", "\0").replace(['`', '\\'], "");
    kept.replace('\0', "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(grants: &[&str]) -> Vec<String> {
        besides_reading(&grants.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_more_than_reading_is_named_with_a_place() {
        let usage = "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*7B9E'";
        assert!(words(&[usage, "GRANT SELECT, SHOW VIEW ON `d`.* TO `u`@`%`"]).is_empty());
        assert_eq!(
            words(&[usage, "GRANT SELECT, FILE, INSERT ON *.* TO `u`@`%`"]),
            ["may read and write files of the server", "may INSERT everywhere"]
        );
        assert_eq!(
            words(&["GRANT ALL PRIVILEGES ON `d`.* TO `u`@`%` WITH GRANT OPTION"]),
            ["may ALTER, CREATE, DELETE, DROP, INSERT, UPDATE in databases such as d"]
        );
        assert_eq!(
            words(&["GRANT INSERT ON `we``ird ON to\\_`.* TO `u`@`%`"]),
            ["may INSERT in databases such as we`ird ON to_"]
        );
        assert_eq!(
            words(&["GRANT SELECT (`a, INSERT`), UPDATE (`a`) ON `d`.`m` TO `u`@`%`"]),
            ["may UPDATE in tables such as d.m"]
        );
        assert!(
            words(&["GRANT EXECUTE ON PROCEDURE `d`.`p` TO `u`@`%`", "SET DEFAULT ROLE `r` FOR `u`@`%`", ""])
                .is_empty()
        );
        assert_eq!(words(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`"]).len(), 3);
    }

    #[test]
    fn roles_count_where_their_grants_are_listed_and_are_named_where_not() {
        let mariadb = ["GRANT `r` TO `u`@`%`", "GRANT `writer` TO `r`", "GRANT DELETE ON `d`.* TO `writer`"];
        assert_eq!(words(&mariadb), ["may DELETE in databases such as d"]);
        let mysql = ["GRANT USAGE ON *.* TO `u`@`%`", "GRANT `writer`@`%` TO `u`@`%`"];
        assert_eq!(words(&mysql), ["has roles such as `writer`@`%`, whose rights are not known here"]);
    }
}
