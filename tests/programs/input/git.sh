# A repository with history, branches, a merge, packing, a clone and a damaged object. Run in an empty directory.
set -e
git init -q -b main origin && cd origin
git config gc.auto 0 && git config pack.threads 1 && git config core.fsync none
for i in $(seq 1 25); do
    mkdir -p "dir$((i % 5))"
    for j in 1 2 3 4; do seq $((i * j)) $((i * j * 3 + 400)) > "dir$((i % 5))/file$j"; done
    git add . && git commit -q -m "commit $i" && git tag "t$i"
done
git checkout -q -b side t10 && echo side > side && git add side && git commit -q -m side
git merge -q --no-edit -X ours main || true
git checkout -q main && git merge -q --no-edit side
git repack -q -a -d -f --depth=20 --window=20 && git fsck --full --strict 2>&1
git log --stat --graph --oneline | sha1sum && git log -p --all | sha1sum
git rev-list --objects --all > ../objects && git blame dir1/file1 | tail -3
git verify-pack -v .git/objects/pack/*.idx | sed 's/ [^ ]*\.git/ .git/' > ../packed
cd .. && git clone -q origin copy && cd copy && git -c pack.threads=1 gc -q --aggressive
git grep -c 40 | head -5 && git diff t3 t9 --stat && git shortlog -sn HEAD
git archive --format=tar HEAD | sha1sum && git cat-file -p deadbeef 2>&1 || echo "status $?"
