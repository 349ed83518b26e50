# Hashes, regular expressions, sorting, closures and big strings.
use strict; use warnings; use List::Util qw(sum max); use Digest::SHA qw(sha1_hex);
my $size = $ENV{WORK_SIZE} // 20;
my ($x, @words) = (12345);
for (1 .. $size * 2000) { $x = ($x * 1103515245 + 12345) % 2147483648; push @words, "w" . ($x % 5000) . "x" x ($x % 13); }
my %count; $count{$_}++ for @words;
print join(",", map { "$_=$count{$_}" } (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9]), "\n";
my $text = join " ", @words; (my $upper = $text) =~ s/(w\d+)/\U$1/g; print length($upper), " ", sha1_hex($upper), "\n";
my @lines = sort map { join "-", reverse split // } @words; print sha1_hex(join "\n", @lines), "\n";
my @matrix = map { my $r = $_; [map { ($r * $_) % 97 } 1 .. 120] } 1 .. 120;
my @product = map { my $r = $_; [map { my $c = $_; sum map { $r->[$_] * $matrix[$_][$c] } 0 .. 119 } 0 .. 119] } @matrix[0 .. 19];
print max(map { @$_ } @product), "\n";
my $tree; for my $w (@words[0 .. 5000]) { my $n = \$tree; $n = \($$n->{$_}) for split //, $w; $$n->{end} = 1; }
sub depth { my $t = shift; ref $t eq 'HASH' ? 1 + max(0, map { depth($_) } values %$t) : 0 } print depth($tree), "\n";
my $huge = "ab" x 5_000_000; substr($huge, 1000, 10) = "Z" x 3_000_000; print length($huge), " ", ($huge =~ tr/Z//), "\n";
my $pid = fork; if ($pid == 0) { my @copy = map { $_ . "!" } @words; print scalar(@copy), "\n"; exit 3 } waitpid $pid, 0; print $? >> 8, "\n";
eval { die { code => 42, list => [1 .. 1000] } }; print $@->{code}, "\n"; warn "a warning for stderr\n";
