# -*- encoding: utf-8 -*-
# stub: under_score-and-dash 0.0.1 ruby lib

Gem::Specification.new do |s|
  s.name = "under_score-and-dash".freeze
  s.version = "0.0.1"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.require_paths = ["lib".freeze]
  s.authors = ["x".freeze]
  s.date = "2026-11-22"
  s.rubygems_version = "3.3.15".freeze
  s.summary = "x".freeze

  s.installed_by_version = "3.3.15" if s.respond_to? :installed_by_version
end
