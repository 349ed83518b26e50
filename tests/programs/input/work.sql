create table word (id integer primary key, text text, length int, body blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000)
  insert into word select i, printf('w%d-%s', (i * 7919) % 10007, substr('abcdefghijklmnopqrstuvwxyz', i % 20 + 1, 6)), i % 17, zeroblob(i % 300) from n;
create index by_text on word (text);
create index by_length on word (length, text);
select length, count(*), sum(length(body)), min(text), max(text) from word group by length order by length;
select count(*) from word a join word b on a.text = b.text and a.id < b.id;
with recursive t(i, s) as (select 1, 'x' union all select i + 1, s || i from t where i < 500) select i, length(s) from t where i % 100 = 0;
create virtual table doc using fts5(body);
insert into doc select text || ' ' || length from word where id % 3 = 0;
select count(*) from doc where doc match '5';
update word set text = upper(text) where id % 5 = 0;
delete from word where id % 7 = 0;
select group_concat(text, ',') from (select text from word order by text desc limit 20);
select json_group_array(json_object('t', text, 'l', length)) from (select * from word order by id limit 50);
select * from missing_table;
vacuum;
pragma integrity_check;
