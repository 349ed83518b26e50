"""A small real piece of work for `make try`: makes orders, groups and sorts them, takes them through JSON."""
import json
import random
import time

ORDERS = 60000
CITIES = ["Aarhus", "Bergen", "Cork", "Delft", "Espoo", "Ghent", "Kiel", "Leeds", "Porto", "Turin"]


def make_orders(source):
    return [{
        "id": number,
        "city": source.choice(CITIES),
        "customer": f"customer-{source.randrange(ORDERS // 10)}",
        "items": [{"name": f"item {source.randrange(500)}", "cents": source.randrange(99, 20000)}
                  for _ in range(source.randrange(1, 5))],
    } for number in range(ORDERS)]


def total(order):
    return sum(item["cents"] for item in order["items"])


def group(orders, key):
    groups = {}
    for order in orders:
        groups.setdefault(order[key], []).append(order)
    return groups


def main():
    started = time.monotonic()
    orders = make_orders(random.Random(1))
    text = json.dumps(orders)
    again = json.loads(text)
    if again != orders:
        raise SystemExit("try: the orders changed on their way through JSON")
    again.sort(key=lambda order: (-total(order), order["id"]))
    by_city = {city: sum(map(total, of_city)) for city, of_city in group(again, "city").items()}
    best = max(by_city, key=by_city.get)
    customers = len(group(again, "customer"))
    print(f"{len(orders)} orders of {customers} customers, {len(text)} bytes of JSON; most was sold in {best} "
          f"({time.monotonic() - started:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
