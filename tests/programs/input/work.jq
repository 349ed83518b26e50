def digest: reduce (tojson | explode[]) as $c (7; (. * 31 + $c) % 1000003);
[range(20000) | {id: ., name: "n\(. * 7919 % 5003)", tags: [range(. % 5) | "t\(.)"], deep: {a: {b: [., . * 2]}}}]
| {count: length, groups: (group_by(.name) | map({name: .[0].name, n: length}) | sort_by([-.n, .name]) | .[0:5]),
   tags: ([.[].tags[]] | group_by(.) | map({(.[0]): length}) | add), paths: ([.[0:200] | paths] | length),
   text: (map(.name) | join(",") | [match("n1[0-9]+"; "g").string] | length), digest: (.[0:3000] | digest)}
