# Strings, hashes, arrays, big numbers, fibers, threads, and the garbage collector under it.
require 'digest'
require 'json'
size = (ENV['WORK_SIZE'] || '20').to_i
random = Random.new(5)
words = Array.new(size * 1000) { (1..random.rand(1..12)).map { (97 + random.rand(26)).chr }.join }
counts = words.tally
puts counts.sort_by { |word, count| [-count, word] }.first(5).inspect
puts Digest::SHA256.hexdigest(words.sort.join(' ').gsub(/[aeiou]+/) { |vowels| vowels.upcase * 2 })
text = JSON.generate(words.each_with_index.map { |word, index| { 'w' => word, 'i' => index, 'l' => word.chars } })
puts text.size, JSON.parse(text).sum { |entry| entry['l'].size }
puts Digest::MD5.hexdigest((7**(size * 1000)).to_s)
Node = Struct.new(:left, :right)
make = ->(depth) { depth.zero? ? nil : Node.new(make[depth - 1], make[depth - 1]) }
count = ->(node) { node ? 1 + count[node.left] + count[node.right] : 0 }
size.times { make[12] }
puts count[make[14]]
puts 4.times.map { |i| Thread.new { (0..size * 2000).map { |n| (n * i).to_s }.join.size } }.map(&:value).inspect
fibers = Array.new(200) { |i| Fiber.new { 3.times { |n| Fiber.yield "#{i}-#{n}" * 10 } } }
puts fibers.sum { |fiber| 3.times.sum { fiber.resume.size } }
GC.start
begin
  raise ArgumentError, 'x' * 100
rescue ArgumentError => error
  warn error.message
end
