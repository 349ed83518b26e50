-- SQLite in memory: rows made by a recursive query, two indexes, joins, grouping, updates, deletes.
create table customer(id integer primary key, name text, city text);
create table sale(id integer primary key, customer integer, item text, price integer, note text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
  insert into customer select i, 'customer ' || (i * 7919 % 20000), 'city ' || (i * 31 % 211) from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
  insert into sale select i, i * 7919 % 20000 + 1, 'item ' || (i * 104729 % 3001), i * 37 % 1000,
    printf('%.*c', i * 13 % 60, 'x') from n;
create index sale_customer on sale(customer);
create index sale_item on sale(item, price);
select city, count(*), sum(price) from customer join sale on customer.id = sale.customer
  group by city order by 3 desc limit 5;
select item, max(price), group_concat(note, '') is not null from sale group by item order by 2 desc, 1 limit 5;
update sale set note = note || item where id % 3 = 0;
delete from sale where price < 250;
select count(*), sum(length(note)) from sale where item > 'item 2';
select a.item, count(*) from sale a join sale b on a.customer = b.customer and a.price = b.price + 1
  group by a.item order by 2 desc, 1 limit 5;
