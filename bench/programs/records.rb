# Ruby objects, strings and hashes, grouped, mapped and joined; the collector runs often and frees in bulk.
Record = Struct.new(:id, :name, :parts)

class Sequence
  def initialize(seed) = @state = seed

  def below(limit)
    @state = (@state * 1_103_515_245 + 12_345) % 2_147_483_648
    (@state >> 8) % limit
  end
end

sequence = Sequence.new(1)
digest = 0
Integer(ARGV[0]).times do |round|
  records = Array.new(20_000) do |id|
    name = "record-#{sequence.below(5000)}-of-a-name-that-does-not-fit-inside"
    Record.new(id, name, Array.new(1 + sequence.below(6)) { |i| "part #{i} of #{id}" * (1 + sequence.below(3)) })
  end
  groups = records.group_by(&:name)
  lines = groups.map { |name, members| "#{name}: #{members.flat_map(&:parts).map(&:upcase).sort.join(', ')}" }
  digest = (digest * 31 + lines.sum(&:length) + round) % 1_000_000_007
end
puts digest
