"""Java: archives that Maven builds, one within another, shaded and repackaged; its plugins list what they hold."""

import re
import shutil
import zipfile

from .case import Case, need, put, run

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:list"
HEAD = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>example.test</groupId><artifactId>{name}</artifactId>
<version>{version}</version><packaging>{packaging}</packaging>
<properties><maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies>{dependencies}</dependencies>
<build><finalName>{final}</finalName><plugins>{plugins}</plugins></build>
</project>
"""
DEPENDENCY = """<dependency><groupId>{}</groupId><artifactId>{}</artifactId>
<version>{}</version><scope>{}</scope></dependency>"""
SHADE = """<plugin><groupId>org.apache.maven.plugins</groupId><artifactId>maven-shade-plugin</artifactId>
<version>3.5.1</version><executions><execution><phase>package</phase><goals><goal>shade</goal></goals></execution></executions></plugin>"""
BOOT = """<plugin><groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId>
<version>2.7.18</version><configuration><mainClass>Main</mainClass></configuration>
<executions><execution><goals><goal>repackage</goal></goals></execution></executions></plugin>"""
WAR = """<plugin><groupId>org.apache.maven.plugins</groupId><artifactId>maven-war-plugin</artifactId>
<version>3.4.0</version>
<configuration><failOnMissingWebXml>false</failOnMissingWebXml></configuration></plugin>"""
LIBRARIES = (
    ("org.apache.logging.log4j", "log4j-core", "2.14.1", "compile"),
    ("com.google.guava", "guava", "31.1-jre", "compile"),
    ("commons-io", "commons-io", "2.11.0", "runtime"),
    ("org.slf4j", "slf4j-simple", "1.7.36", "compile"),
    ("com.fasterxml.jackson.core", "jackson-databind", "2.15.2", "compile"),
    ("org.yaml", "snakeyaml", "1.33", "compile"),
    ("javax.servlet", "javax.servlet-api", "4.0.1", "provided"),
)
#: name, packaging, name of the file, plugins
PROJECTS = (
    ("thin", "jar", "thin-1.0", ""),
    ("shaded", "jar", "app", SHADE),
    ("boot", "jar", "boot", BOOT),
    ("web", "war", "ROOT", WAR),
)
#: what repackaging adds: a loader of its own, and even the libraries that the server should provide
REPACKAGED = {
    ("java", "org.springframework.boot:spring-boot-jarmode-layertools", "2.7.18"),
    ("java", "javax.servlet:javax.servlet-api", "4.0.1"),
}
#: a library without Maven's properties leaves only its classes in a shaded archive
TRACELESS = {("java", "org.checkerframework:checker-qual", "3.12.0")}


def cases(work):
    need("mvn", "java")
    for name, packaging, final, plugins in PROJECTS:
        place, root = work / f"java-{name}", work / f"java-{name}-root"
        shutil.rmtree(root, ignore_errors=True)
        archive = build(place, name, packaging, final, plugins)
        native = {("java", f"example.test:{name}", "1.0")}
        if name != "thin":
            native |= dependencies(place)
        if name == "boot":
            native |= REPACKAGED
        if name == "shaded":
            native -= TRACELESS
        (root / "opt").mkdir(parents=True)
        shutil.copy(archive, root / "opt" / archive.name)
        yield Case(f"java {name}", root, native)
    yield nested(work)
    yield libraries(work)


def build(place, name, packaging, final, plugins):
    libraries = "".join(DEPENDENCY.format(*library) for library in LIBRARIES)
    values = {"name": name, "version": "1.0", "packaging": packaging, "final": final}
    put(place, {"pom.xml": HEAD.format(**values, plugins=plugins, dependencies=libraries)})
    main = "public class Main { public static void main(String[] words) { System.out.println(words.length); } }\n"
    put(place, {"src/main/java/Main.java": main})
    run("mvn", "-q", "-B", "package", cwd=place)
    return place / "target" / f"{final}.{packaging}"


def dependencies(place):
    """`group:artifact:type:version:scope`, of what the program has when it runs."""
    run("mvn", "-q", "-B", PLUGIN, "-DincludeScope=runtime", "-DoutputFile=list", cwd=place)
    lines = re.findall(r"^ +(\S+:\S+:\S+:\S+:\S+)", (place / "list").read_text(), re.MULTILINE)
    fields = [line.split(":") for line in lines]
    return {("java", f"{field[0]}:{field[1]}", field[-2]) for field in fields}


def nested(work):
    """An ear that holds the war and the fat jar."""
    root = work / "java-nested-root"
    shutil.rmtree(root, ignore_errors=True)
    (root / "srv").mkdir(parents=True)
    with zipfile.ZipFile(root / "srv/all.ear", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(work / "java-web/target/ROOT.war", "ROOT.war")
        archive.write(work / "java-boot/target/boot.jar", "lib/boot.jar")
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n")
    native = {("java", f"example.test:{name}", "1.0") for name in ("web", "boot")}
    native |= dependencies(work / "java-web") | dependencies(work / "java-boot") | REPACKAGED
    return Case("java nested", root, native)


def libraries(work):
    """The libraries as the files that they are fetched as."""
    place, root = work / "java-thin", work / "java-libraries-root"
    shutil.rmtree(root, ignore_errors=True)
    goal = PLUGIN.replace(":list", ":copy-dependencies")
    run("mvn", "-q", "-B", goal, "-DincludeScope=runtime", f"-DoutputDirectory={root}/opt/lib", cwd=place)
    return Case("java libraries", root, dependencies(place))
