# Values are immutable and counted in jq, so every step makes new ones: group, reshape, strings, paths.
[.[] | select(.lines | length > 2) | {who: .customer.name, total: ([.lines[] | .price * .count] | add), tags}]
| group_by(.who)
| map({who: .[0].who, sum: (map(.total) | add), tags: (map(.tags[]) | unique | join("-"))})
| sort_by(-.sum, .who)
| (.[0:3], (map(.tags | ascii_upcase | length) | add), ([paths] | length))
