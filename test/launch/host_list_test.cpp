#include "launch/host_list.h"

#include <catch2/catch.hpp>

#include "base/check.h"

using swallow::ConfigError;
using swallow::expand_host_list;
using swallow::expand_task_counts;
using Hosts = std::vector<std::string>;
using Counts = std::vector<int>;

TEST_CASE("host lists expand ranges and keep zero padding", "[unit]") {
  REQUIRE(expand_host_list("login") == Hosts{"login"});
  REQUIRE(expand_host_list("a,b.example,c-1") == Hosts{"a", "b.example", "c-1"});
  REQUIRE(expand_host_list("hnode[001-003,040]") ==
          Hosts{"hnode001", "hnode002", "hnode003", "hnode040"});
  REQUIRE(expand_host_list("n[8-11]") == Hosts{"n8", "n9", "n10", "n11"});
  REQUIRE(expand_host_list("n[08-10],x,m[2]") == Hosts{"n08", "n09", "n10", "x", "m2"});
  REQUIRE(expand_host_list("n[1-2]-ib0") == Hosts{"n1-ib0", "n2-ib0"});
}

TEST_CASE("several brackets in a name multiply, the last fastest", "[unit]") {
  REQUIRE(expand_host_list("rack[1-2]n[08-09]") ==
          Hosts{"rack1n08", "rack1n09", "rack2n08", "rack2n09"});
}

TEST_CASE("malformed host lists are refused with the text", "[unit]") {
  for (const char* text : {"", "a,,b", "a,", "n[1-2", "n1-2]", "n[]", "n[2-1]", "n[1-]", "n[-3]",
                           "n[x]", "n[1,,2]", "n[[1]]", "n 1", "n[+1-2]", "n[9999999999]"}) {
    CAPTURE(text);
    REQUIRE_THROWS_AS(expand_host_list(text), ConfigError);
    REQUIRE_THROWS_WITH(expand_host_list(text), Catch::Contains(text));
  }
}

TEST_CASE("a host list that would fill the memory is refused", "[unit]") {
  REQUIRE(expand_host_list("n[1-65536]").size() == 65536);
  for (const char* text : {"n[1-65537]", "n[0-999999999]", "n[1-300]m[1-300]",
                           "a[1-256]b[1-256]c[1-256]d[1-256]", "n[1-65536],x"})
    REQUIRE_THROWS_WITH(expand_host_list(text), Catch::Contains("65536"));
}

TEST_CASE("tasks per node expand their repetitions", "[unit]") {
  REQUIRE(expand_task_counts("8") == Counts{8});
  REQUIRE(expand_task_counts("7,1") == Counts{7, 1});
  REQUIRE(expand_task_counts("4(x2),3") == Counts{4, 4, 3});
  for (const char* text :
       {"", "x", "4(x)", "4(x0)", "4(x2", "4(2)", "(x2)", "4,,4", "-1", "4(x-1)", "1(x65537)"}) {
    CAPTURE(text);
    REQUIRE_THROWS_AS(expand_task_counts(text), ConfigError);
  }
}
