"""What CPython does all day: JSON in and out, dictionaries, sorting, string building, classes, exceptions."""
import collections
import json
import random
import re
import sys

rng = random.Random(1)


class Account:
    def __init__(self, name, tags):
        self.name, self.tags, self.history = name, tags, []

    def book(self, amount):
        if amount < 5:
            raise ValueError(amount)
        self.history.append({"amount": amount, "balance": sum(h["amount"] for h in self.history[-3:])})


def make(count):
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 12))) for _ in range(2000)]
    accounts = [Account(" ".join(rng.sample(words, 3)), rng.sample(words, 4)) for _ in range(count)]
    refused = 0
    for _ in range(4 * count):
        try:
            rng.choice(accounts).book(rng.randint(0, 1000))
        except ValueError:
            refused += 1
    return accounts, refused


def index(accounts):
    by_tag = collections.defaultdict(set)
    for number, account in enumerate(accounts):
        for tag in account.tags:
            by_tag[tag].add(number)
    return sorted((len(numbers), tag) for tag, numbers in by_tag.items())


def main():
    accounts, refused = make(int(sys.argv[1]))
    print(refused, index(accounts)[-3:])
    for _ in range(2):
        text = json.dumps([vars(a) for a in accounts], indent=1)
        back = json.loads(text)
    print(len(text), len(re.findall(r'"balance": (\d+)', text)))
    back.sort(key=lambda a: (-len(a["history"]), a["name"]))
    print(back[0]["name"], hash(tuple(len(a["history"]) for a in back)))


main()
