{application, 'cowboy', [
	{description, "Small, fast HTTP server."},
	{vsn, "2.9.0"},
	{modules, ['cowboy']}
]}.
