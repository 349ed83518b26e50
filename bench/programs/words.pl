# Text as Perl is used for: split, hashes of counts, substitutions with captures, sorting, string building.
use strict;
use warnings;

my $lines = shift;
my $state = 1;
sub next_number { $state = ($state * 1103515245 + 12345) % 2147483648; return $state >> 8 }

my @words = map { my $w = ''; $w .= chr(97 + next_number() % 20) for 0 .. 3 + next_number() % 8; $w } 1 .. 3000;
my (%count, %follows, @kept);
my $last = '';
for my $line (1 .. $lines) {
    my $text = join ' ', map { $words[next_number() % @words] } 1 .. 12;
    (my $marked = $text) =~ s/\b([a-f]\w*)/<$1>/g;
    for my $word (split / /, $text) {
        $count{$word}++;
        $follows{$last}{$word}++;
        $last = $word;
    }
    push @kept, [$line, uc $marked] if $line % 3 == 0;
}
my @top = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my @ordered = sort { $a->[1] cmp $b->[1] } @kept;
my $pairs = 0;
$pairs += keys %$_ for values %follows;
print "$top[0] $count{$top[0]} $pairs $ordered[0][0] $ordered[-1][0]\n";
