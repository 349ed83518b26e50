# A server on a Unix socket, a load of redis-benchmark, and a look at what it left. Only the server and, where they
# are not static, its clients run on the malloc under test. $REDIS_PRELOAD is set for the server alone.
set -e
socket=$PWD/s
env ${REDIS_PRELOAD:+LD_PRELOAD="$REDIS_PRELOAD"} redis-server --port 0 --unixsocket "$socket" --save '' --appendonly no \
    --enable-debug-command yes --dir "$PWD" --loglevel warning > server.log 2>&1 &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
for _ in $(seq 200); do [ -S "$socket" ] && redis-cli -s "$socket" ping > /dev/null 2>&1 && break; sleep 0.05; done
grep -o 'lib[a-z]*\(acre\|jemalloc\)[^ /]*so[.0-9]*' "/proc/$server/maps" | sort -u > maps.seen
redis-cli -s "$socket" info memory | tr -d '\r' | grep '^mem_allocator' > allocator.seen
redis-benchmark -s "$socket" -q -n 20000 -c 20 -P 4 -d 200 -t set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,zadd,lrange_100,mset
redis-cli -s "$socket" eval "for i = 1, 20000 do redis.call('set', 'key' .. i, string.rep('v', i % 700)); redis.call('zadd', 'z', i * 7 % 1000, i); redis.call('hset', 'h' .. i % 50, i, i * i) end return redis.call('dbsize')" 0
redis-cli -s "$socket" zrange z 0 10 withscores
for i in $(seq 1 300); do echo "del key$((i * 3))"; echo "append key$((i * 5)) $i"; echo "lpush l$((i % 7)) $i$i"; done |
    redis-cli -s "$socket" | sha1sum
redis-cli -s "$socket" flushall async > /dev/null && redis-cli -s "$socket" debug populate 5000 k 300
redis-cli -s "$socket" debug digest
redis-cli -s "$socket" no-such-command || true
redis-cli -s "$socket" shutdown nosave || true
wait $server
