# -*- encoding: utf-8 -*-
# stub: plain 1.1.0.pre2 ruby lib

Gem::Specification.new do |s|
  s.name = "plain".freeze
  s.version = "1.1.0.pre2"

  s.required_rubygems_version = Gem::Requirement.new("> 1.3.1".freeze) if s.respond_to? :required_rubygems_version=
  s.require_paths = ["lib".freeze]
  s.authors = ["x".freeze]
  s.date = "2026-11-22"
  s.rubygems_version = "3.3.15".freeze
  s.summary = "x".freeze

  s.installed_by_version = "3.3.15" if s.respond_to? :installed_by_version
end
