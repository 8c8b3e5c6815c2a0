"""Erlang: the applications of Debian's Erlang, and what the runtime reads in their resource files."""

from .case import Case
from .debian import inside, part, workshop

SCRIPT = """
    Show = fun(File) ->
        {ok, [{application, Name, Keys}]} = file:consult(File),
        io:format("~s ~s~n", [Name, proplists:get_value(vsn, Keys)])
    end,
    lists:foreach(Show, filelib:wildcard(code:lib_dir() ++ "/*/ebin/*.app")), halt().
"""


def cases(work):
    lines = inside(workshop(work), "erl", "-noshell", "-eval", SCRIPT).splitlines()
    native = {("erlang", *line.split(" ")) for line in lines}
    yield Case("erlang applications", part(work, "erlang", "usr/lib/erlang/lib"), native)
