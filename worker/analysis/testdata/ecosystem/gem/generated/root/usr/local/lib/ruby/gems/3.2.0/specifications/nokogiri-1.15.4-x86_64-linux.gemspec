Gem::Specification.new do |s|
  s.name = "nokogiri".freeze
  s.version = Gem::Version.new("1.15.4")
  s.platform = "x86_64-linux".freeze
end
