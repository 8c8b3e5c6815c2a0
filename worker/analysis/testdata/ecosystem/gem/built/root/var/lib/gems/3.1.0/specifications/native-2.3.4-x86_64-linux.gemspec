# -*- encoding: utf-8 -*-
# stub: native 2.3.4 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "native".freeze
  s.version = "2.3.4"
  s.platform = "x86_64-linux".freeze

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.require_paths = ["lib".freeze]
  s.authors = ["x".freeze]
  s.date = "2026-11-22"
  s.rubygems_version = "3.3.15".freeze
  s.summary = "x".freeze

  s.installed_by_version = "3.3.15" if s.respond_to? :installed_by_version
end
